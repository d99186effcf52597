"""The tick ledger: determine the outcome of every expected tick.

The evidence are the rows of run history, so that a tick that ran costs no write: an expected tick without a row was
missed. shared/ledger/daily.py stores the outcomes before the rows expire.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws.names import NO_TARGET
from shared.job import retention, schedule
from shared.job.retry import JITTER
from shared.store import keys, table
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.manifest import Entry

# Age at which a tick is judged: by then it has started, or it waits in Lambda's queue of asynchronous invocations.
SETTLING_TIME = timedelta(minutes=5)
# Seconds after its tick from which a run has started late, for jobs that declare no grace.
LATE_AFTER = 60
# How far the clock of a run may be behind the clock that fired it.
CLOCK_SKEW = timedelta(seconds=5)
MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
POSITION = re.compile(r"([0-9]{4}-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]Z)#([0-9][0-9])")
ATTRIBUTES_READ = ("sk", "tick", "target", "attempt", "outcome", "started", "duplicates", "from", "to", "count")


class TickOutcome(StrEnum):
    """The outcome of a tick, ordered by rank.

    The first in this order counts if a tick has several rows.
    """

    RAN = "ran"
    #: It ran, but started late.
    LATE = "late"
    RUNNING = "running"
    FAILED = "failed"
    REFUSED = "refused"
    LOST = "lost"
    #: It was routed to a worker.
    ENQUEUED = "enqueued"
    SNOOZED = "snoozed"
    SUPERSEDED = "superseded"
    LOCKED = "locked"
    PAUSED = "paused"
    DISABLED = "disabled"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    #: It came after the job's grace, and was not run.
    TOO_LATE = "too_late"
    #: It was delivered again, and the run of the first delivery has left no row yet.
    DEDUPLICATED = "deduplicated"
    MISSED = "missed"
    #: It has no row, and a row would have expired by now.
    UNKNOWN = "unknown"
    #: It may still start.
    AWAITED = "awaited"


RANK = {outcome: rank for rank, outcome in enumerate(TickOutcome)}
# The outcome of a tick by the `outcome` of its history row.
OUTCOMES = {outcome.value: outcome for outcome in TickOutcome} | {
    "done": TickOutcome.RAN,
    "late": TickOutcome.TOO_LATE,
    "": TickOutcome.DEDUPLICATED,
    # Of manual runs alone.
    "unknown_target": TickOutcome.FORBIDDEN,
}


@dataclass(frozen=True, slots=True)
class TickRecord:
    """The outcome of one tick."""

    outcome: TickOutcome
    #: It was delivered more than once; the further deliveries had no effect.
    duplicated: bool = False

    def __or__(self, other: TickRecord) -> TickRecord:
        best = min(self.outcome, other.outcome, key=RANK.__getitem__)
        return TickRecord(best, self.duplicated or other.duplicated)


TickRecords = dict[datetime, TickRecord]


def merge(*parts: Mapping[datetime, TickRecord]) -> TickRecords:
    """Merge records, ordered by time; the better one of each tick wins."""
    records: TickRecords = {}
    for part in parts:
        for tick, record in part.items():
            records[tick] = records[tick] | record if tick in records else record
    return dict(sorted(records.items()))


def expected_ticks(entry: Entry, since: datetime, until: datetime) -> list[datetime]:
    """List the ticks of all schedules from `since`, before `until`.

    Two in one minute are one tick.
    """
    ticks: set[datetime] = set()
    for text in entry["schedules"]:
        for tick in schedule.read(text).after(since - MICROSECOND):
            if tick >= until:
                break
            ticks.add(tick)
    return sorted(ticks)


def tick_of(position: str) -> datetime | None:
    """Parse the tick of a position, `2026-11-21T22:05Z#00`.

    None for other texts, such as the id of a manual run.
    """
    match = POSITION.fullmatch(position)
    return clock.parse(match[1]) if match else None


def newest_claimed_tick(item: Mapping[str, Any]) -> datetime | None:
    """Return the newest tick that a claim item was ever claimed for."""
    return max(filter(None, (tick_of(item.get("last", "")), _last_attempted(item))), default=None)


def read_runs(cloud: Cloud, job: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Read the rows of runs that started in a period.

    Only the attributes that the ledger needs. One query per UTC day.
    """
    rows: list[dict[str, Any]] = []
    day = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    while day < until:
        values = {":pk": keys.runs(job, day.date()), ":since": _run_id_prefix(since), ":until": _run_id_prefix(until)}
        condition = "pk = :pk AND sk BETWEEN :since AND :until"
        rows += table.query(cloud, STATE, condition, values, attributes_read=ATTRIBUTES_READ)
        day += timedelta(days=1)
    return rows


def from_runs(rows: Iterable[Mapping[str, Any]], entry: Entry) -> TickRecords:
    """Return the records that history rows prove.

    Only the first run counts for a job in shards or parts.
    """
    records: TickRecords = {}
    for row in rows:
        position, target = str(row.get("tick", "")), row.get("target", NO_TARGET)
        tick = tick_of(position) if position.endswith("#00") and target == NO_TARGET else None
        if tick:
            record = TickRecord(_outcome(row, tick, entry), bool(row.get("duplicates")))
            records[tick] = records[tick] | record if tick in records else record
    return records


def from_gaps(rows: Iterable[Mapping[str, Any]], entry: Entry) -> TickRecords:
    """Return the records of the missed ticks that gap rows stand for."""
    missed = [row for row in rows if row.get("outcome") == TickOutcome.MISSED and "from" in row]
    spans = [(clock.parse(row["from"]), clock.parse(row["to"]) + MINUTE) for row in missed]
    return merge(*({tick: TickRecord(TickOutcome.MISSED) for tick in expected_ticks(entry, *span)} for span in spans))


def judge(
    entry: Entry, ticks: Iterable[datetime], records: TickRecords, item: Mapping[str, Any], now: datetime
) -> TickRecords:
    """Return a record of each of these ticks.

    It is the one in `records`, or one concluded from the absence of a row.

    item: the job's claim item, empty if there is none. It shows the running tick, and runs that were interrupted
    before they wrote their row. A tick that neither shows was missed, unless it is younger than SETTLING_TIME, or its
    row would have expired and the item has been claimed for a later tick.
    """
    newest, retained = newest_claimed_tick(item), retention.read(entry["retention"]).completed.expires
    # A manual run holds the lease for itself, not for the last tick.
    running = "holder" in item and "manual" not in item
    claimed = {
        _last_attempted(item): TickOutcome.RUNNING if running else TickOutcome.LOST,
        tick_of(item.get("last", "")): TickOutcome.RAN,
    }

    def without_row(tick: datetime) -> TickOutcome:
        if tick in claimed:
            return claimed[tick]
        if now - tick < SETTLING_TIME:
            return TickOutcome.AWAITED
        expired = now - tick >= retained and newest is not None and newest >= tick
        return TickOutcome.UNKNOWN if expired else TickOutcome.MISSED

    return {tick: records.get(tick) or TickRecord(without_row(tick)) for tick in ticks}


def _last_attempted(item: Mapping[str, Any]) -> datetime | None:
    return tick_of("#".join(str(item.get("last_attempt", "")).split("#")[:2]))


def _run_id_prefix(at: datetime) -> str:
    """Return the prefix of run ids that start at this second."""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S}"


def _outcome(row: Mapping[str, Any], tick: datetime, entry: Entry) -> TickOutcome:
    # A row may have an outcome of a later version: jobs are deployed before or after the reader of their rows.
    outcome = OUTCOMES.get(str(row.get("outcome", "")), TickOutcome.UNKNOWN)
    if outcome is TickOutcome.RAN and clock.parse(row["started"]) > tick + _allowed_delay(entry, row.get("attempt", 1)):
        return TickOutcome.LATE
    return outcome


def _allowed_delay(entry: Entry, attempt: int) -> timedelta:
    """How long after its tick an attempt may start without being late."""
    grace = LATE_AFTER if entry["grace"] is None else entry["grace"]
    waited = sum(entry["delays"][: attempt - 1]) * (1 + JITTER)
    return timedelta(seconds=grace + waited + (attempt - 1) * entry["timeout"])
