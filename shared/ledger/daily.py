"""The daily ledger: the outcomes of a day's ticks in one row.

It is written before the history rows expire.

`ledger#<job>` / `2026-11-21` has a text for each hour that had ticks: `h03` = `m12 r0-11,13-59 +7` is an hour in which
the tick of 03:12 was missed, all others ran, and the tick of 03:07 was delivered more than once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws.names import NO_TARGET
from shared.job.cron_field import MINUTE
from shared.ledger import expected_since, ledger
from shared.ledger.ledger import TickOutcome, TickRecord, TickRecords, merge
from shared.run import lost_runs
from shared.store import keys, table
from shared.tables import STATE, TTL
from shared.text.whole_number import is_whole_number

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.manifest import Entry

# How long after the end of a period the runs of its ticks may start and still be found in the history.
LATEST_START = timedelta(hours=1)
RETENTION = timedelta(days=90)
TRIES = 3
DUPLICATED = "+"
CODES = {
    TickOutcome.RAN: "r",
    TickOutcome.LATE: "l",
    TickOutcome.FAILED: "f",
    TickOutcome.REFUSED: "b",
    TickOutcome.LOST: "x",
    TickOutcome.ENQUEUED: "e",
    TickOutcome.SNOOZED: "z",
    TickOutcome.SUPERSEDED: "s",
    TickOutcome.LOCKED: "k",
    TickOutcome.PAUSED: "p",
    TickOutcome.DISABLED: "d",
    TickOutcome.FORBIDDEN: "g",
    TickOutcome.RATE_LIMITED: "q",
    TickOutcome.TOO_LATE: "o",
    TickOutcome.DEDUPLICATED: "a",
    TickOutcome.MISSED: "m",
    TickOutcome.UNKNOWN: "u",
}
OUTCOMES = {code: outcome for outcome, code in CODES.items()}


class DailyLedgerConflict(Exception):
    """Other processes wrote the day before each try; nothing was written."""


class DailyLedger:
    """The daily ledger rows of one job."""

    def __init__(self, cloud: Cloud, job: str) -> None:
        self.cloud = cloud
        self.job = job

    def read(self, since: datetime, until: datetime) -> TickRecords:
        """Read the records of the days between two timestamps, inclusive.

        One query.
        """
        values = {":pk": keys.ledger(self.job), ":since": f"{since:%Y-%m-%d}", ":until": f"{until:%Y-%m-%d}"}
        days = table.query(self.cloud, STATE, "pk = :pk AND sk BETWEEN :since AND :until", values)
        return merge(*map(records_of_day, days))

    def read_day(self, day: str) -> dict[str, Any]:
        """Read the row of a day, `2026-11-21`; empty if there is none."""
        return table.get(self.cloud, STATE, keys.ledger_day(self.job, day))

    def add(self, records: Mapping[datetime, TickRecord]) -> int:
        """Merge records into their days; return the number of days written.

        Raises DailyLedgerConflict. One read per day, and one write if it has news. The better outcome of a tick stays:
        a run that came late was a missed tick before.
        """
        days: dict[str, TickRecords] = {}
        for tick, record in records.items():
            if record.outcome in CODES:
                days.setdefault(f"{tick:%Y-%m-%d}", {})[tick] = record
        return sum(self._add(day, of_day) for day, of_day in days.items())

    def _add(self, day: str, records: TickRecords) -> int:
        for _ in range(TRIES):
            item = self.read_day(day)
            before = records_of_day(item)
            after = merge(before, records)
            if after == before:
                return 0
            hours = {tick.hour for tick, record in records.items() if after[tick] != before.get(tick)}
            texts = {f"h{hour:02}": encode(of_hour) for hour, of_hour in _by_hour(after).items() if hour in hours}
            if self._write(day, texts, item.get("version", 0)):
                return 1
        raise DailyLedgerConflict(f"the ledger of {self.job}, {day}, was written by others {TRIES} times in a row")

    def _write(self, day: str, texts: Mapping[str, str], version: int) -> bool:
        # No `won`: after a lost reply the next try reads what this one wrote, and has nothing to add.
        expires = int((clock.parse(day) + RETENTION).timestamp())
        values = {f":{name}": text for name, text in texts.items()} | {":next": version + 1, ":expires": expires}
        hours = ", ".join(f"{name} = :{name}" for name in sorted(texts))
        return table.update_if(
            self.cloud,
            STATE,
            keys.ledger_day(self.job, day),
            f"SET #version = :next, #expires = :expires, {hours}",
            values | ({":version": version} if version else {}),
            "#version = :version" if version else "attribute_not_exists(#version)",
            names={"#version": "version", "#expires": TTL},
        )


def read(cloud: Cloud, job: str, entry: Entry, since: datetime, until: datetime) -> TickRecords:
    """Read the record of every tick from `since`, before `until`.

    From the daily ledger and the history. Two queries, one more for each further day, and two reads.
    """
    now = cloud.clock.now()
    stored = DailyLedger(cloud, job).read(since, until)
    # From midnight on: a gap that is still open has its row there.
    first = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = ledger.read_runs(cloud, job, first, min(now, until + LATEST_START) + ledger.CLOCK_SKEW)
    records = merge(stored, ledger.from_runs(rows, entry), ledger.from_gaps(rows, entry))
    counts = expected_since.since(expected_since.read(cloud), job) or now
    absent = [tick for tick in ledger.expected_ticks(entry, since, until) if tick not in records]
    judged = ledger.judge(entry, absent, {}, lost_runs.claim_item(cloud, entry, NO_TARGET), now)
    for tick, record in judged.items():
        if record.outcome is TickOutcome.MISSED and tick < counts:
            judged[tick] = TickRecord(TickOutcome.UNKNOWN)
    return {tick: record for tick, record in merge(records, judged).items() if since <= tick < until}


def records_of_day(item: Mapping[str, Any]) -> TickRecords:
    """Decode the row of a day."""
    if not item:
        return {}
    day = clock.parse(item["sk"])
    texts = {int(name[1:]): text for name, text in item.items() if name[:1] == "h" and is_whole_number(name[1:])}
    return merge(*(decode(text, day.replace(hour=hour)) for hour, text in texts.items()))


def _by_hour(records: Mapping[datetime, TickRecord]) -> dict[int, TickRecords]:
    """Group the records of a day."""
    hours: dict[int, TickRecords] = {}
    for tick, record in records.items():
        hours.setdefault(tick.hour, {})[tick] = record
    return hours


def encode(records: Mapping[datetime, TickRecord]) -> str:
    """Encode the ticks of an hour.

    The code of each outcome and its minutes, in EventBridge's shortest form.
    """
    minutes: dict[str, set[int]] = {}
    for tick, record in records.items():
        minutes.setdefault(CODES[record.outcome], set()).add(tick.minute)
        if record.duplicated:
            minutes.setdefault(DUPLICATED, set()).add(tick.minute)
    return " ".join(code + MINUTE.eventbridge(frozenset(values)) for code, values in sorted(minutes.items()))


def decode(text: str, hour: datetime) -> TickRecords:
    minutes = {word[0]: MINUTE.parse(word[1:]) for word in text.split()}
    duplicated = minutes.pop(DUPLICATED, frozenset())
    return {
        hour.replace(minute=minute): TickRecord(OUTCOMES[code], minute in duplicated)
        for code, values in minutes.items()
        for minute in sorted(values)
    }
