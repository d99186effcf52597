"""The tick ledger: what became of every tick that was expected.

A tick that ran costs nothing: the history rows are the evidence; a tick without one was lost. `shared/ledger/daily.py`
keeps the verdicts when the rows expire.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws import attributes
from shared.aws.names import NO_TARGET, STATE
from shared.job import retention, schedule
from shared.job.retry import JITTER
from shared.run.claim import position_and_attempt

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.manifest import Entry

# A tick is judged once it is so old: by then it has started, or waits where Lambda keeps what it cannot start yet.
SETTLING = timedelta(minutes=5)
# Seconds after its time at which a run has started late, where the job declares no grace of its own.
LATE = 60
# A machine's clock may be behind that of whoever fired it.
SKEW = timedelta(seconds=5)
INSTANT = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
POSITION = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\dZ)#(\d\d)")
SEEN = ("sk", "tick", "target", "attempt", "outcome", "started", "duplicates", "from", "to", "count")


class TickOutcome(StrEnum):
    """What became of a tick, the best first: of several rows of one tick the best one counts.

    late: it ran, but started late. too_late: it came later than the job's grace, and was not run. enqueued: a worker
    has it. deduplicated: it came again while the run that took it has left no row yet. unknown: it left no row, and any
    row would be gone by now. awaited: it may still start.
    """

    RAN = "ran"
    LATE = "late"
    RUNNING = "running"
    FAILED = "failed"
    REFUSED = "refused"
    LOST = "lost"
    ENQUEUED = "enqueued"
    SNOOZED = "snoozed"
    SUPERSEDED = "superseded"
    LOCKED = "locked"
    PAUSED = "paused"
    DISABLED = "disabled"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    TOO_LATE = "too_late"
    DEDUPLICATED = "deduplicated"
    MISSED = "missed"
    UNKNOWN = "unknown"
    AWAITED = "awaited"


RANK = {verdict: rank for rank, verdict in enumerate(TickOutcome)}
# What a row's outcome says of its tick.
SAID = {verdict.value: verdict for verdict in TickOutcome} | {
    "done": TickOutcome.RAN,
    "late": TickOutcome.TOO_LATE,
    "": TickOutcome.DEDUPLICATED,
}


@dataclass(frozen=True, slots=True)
class TickRecord:
    """again: the tick was delivered more than once, which came to nothing."""

    outcome: TickOutcome
    again: bool = False

    def __or__(self, other: TickRecord) -> TickRecord:
        best = min(self.outcome, other.outcome, key=RANK.__getitem__)
        return TickRecord(best, self.again or other.again)


Accounts = dict[datetime, TickRecord]


def merged(*parts: Mapping[datetime, TickRecord]) -> Accounts:
    """In order of time; of a tick in several parts the best account."""
    found: Accounts = {}
    for part in parts:
        for tick, account in part.items():
            found[tick] = found[tick] | account if tick in found else account
    return dict(sorted(found.items()))


def expected(entry: Entry, since: datetime, until: datetime) -> list[datetime]:
    """Ticks of all its schedules from `since` on, before `until`; a minute that two of them share is one tick."""
    found: set[datetime] = set()
    for text in entry["schedules"]:
        for tick in schedule.read(text).after(since - INSTANT):
            if tick >= until:
                break
            found.add(tick)
    return sorted(found)


def minute(position: str) -> datetime | None:
    """The tick of a position, `2026-11-21T22:05Z#00`; None for what is none, as the request of a run by hand."""
    found = POSITION.fullmatch(position)
    return clock.parse(found[1]) if found else None


def taken(item: Mapping[str, Any]) -> datetime | None:
    """The newest tick that a claim item was ever taken for."""
    return max(
        filter(None, (minute(item.get("last", "")), minute(position_and_attempt(item.get("tried", ""))[0]))),
        default=None,
    )


def history(cloud: Cloud, job: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Rows of the runs that started in that time, as much of them as the ledger needs. A query for each UTC day."""
    found: list[dict[str, Any]] = []
    day = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    while day < until:
        pages = cloud.dynamodb.get_paginator("query").paginate(
            TableName=cloud.names.table(STATE),
            KeyConditionExpression="pk = :pk AND sk BETWEEN :since AND :until",
            ProjectionExpression=", ".join(f"#{name}" for name in SEEN),
            ExpressionAttributeNames={f"#{name}": name for name in SEEN},
            ExpressionAttributeValues=attributes.row(
                {":pk": f"runs#{job}#{day:%Y-%m-%d}", ":since": _run(since), ":until": _run(until)}
            ),
        )
        found += [attributes.plain(item) for page in pages for item in page["Items"]]
        day += timedelta(days=1)
    return found


def evidence(seen: Iterable[Mapping[str, Any]], entry: Entry) -> Accounts:
    """What rows tell of ticks. Of a tick in shards or parts it is the first run that counts: it sent the others."""
    found: Accounts = {}
    for row in seen:
        position, target = str(row.get("tick", "")), row.get("target", NO_TARGET)
        tick = minute(position) if position.endswith("#00") and target == NO_TARGET else None
        if tick:
            told = TickRecord(_verdict(row, tick, entry), bool(row.get("duplicates")))
            found[tick] = found[tick] | told if tick in found else told
    return found


def gaps(seen: Iterable[Mapping[str, Any]], entry: Entry) -> Accounts:
    """The ticks that rows of gaps stand for."""
    missed = [row for row in seen if row.get("outcome") == TickOutcome.MISSED and "from" in row]
    spans = [(clock.parse(row["from"]), clock.parse(row["to"]) + MINUTE) for row in missed]
    return merged(*({tick: TickRecord(TickOutcome.MISSED) for tick in expected(entry, *span)} for span in spans))


def judged(
    entry: Entry, ticks: Iterable[datetime], found: Accounts, item: Mapping[str, Any], now: datetime
) -> Accounts:
    """An account of each of these ticks: what was found of it, and else what the absence of a row means.

    item: the job's claim item, empty where there is none. It tells of the tick at work, and of runs that died before
    they wrote their row. Where neither does, the tick was missed; unless it is too early to say, or its row would have
    expired, and the item was taken for a later tick since.
    """
    newest, kept = taken(item), retention.read(entry["retention"]).completed.age
    told = {
        minute(position_and_attempt(item.get("tried", ""))[0]): TickOutcome.RUNNING
        if "holder" in item
        else TickOutcome.LOST,
        minute(item.get("last", "")): TickOutcome.RAN,
    }

    def absent(tick: datetime) -> TickOutcome:
        if tick in told:
            return told[tick]
        if now - tick < SETTLING:
            return TickOutcome.AWAITED
        expired = now - tick >= kept and newest is not None and newest >= tick
        return TickOutcome.UNKNOWN if expired else TickOutcome.MISSED

    return {tick: found.get(tick) or TickRecord(absent(tick)) for tick in ticks}


def _run(instant: datetime) -> str:
    """How the ids of runs that start then begin."""
    return f"{instant.astimezone(UTC):%Y%m%dT%H%M%S}"


def _verdict(row: Mapping[str, Any], tick: datetime, entry: Entry) -> TickOutcome:
    # Jobs are deployed before and after what reads their rows: a word from another version must not end the pass.
    verdict = SAID.get(str(row.get("outcome", "")), TickOutcome.UNKNOWN)
    if verdict is TickOutcome.RAN and clock.parse(row["started"]) > tick + _allowed(entry, row.get("attempt", 1)):
        return TickOutcome.LATE
    return verdict


def _allowed(entry: Entry, attempt: int) -> timedelta:
    """How long after its tick this attempt of it has still started in time."""
    grace = LATE if entry["grace"] is None else entry["grace"]
    waited = sum(entry["delays"][: attempt - 1]) * (1 + JITTER)
    return timedelta(seconds=grace + waited + (attempt - 1) * entry["timeout"])
