"""The ledger's memory: verdicts folded into one item a day before the rows that tell them expire.

`ledger#<job>` / `2026-11-21` has a text for each hour that had ticks: `h03` = `m12 r0-11,13-59 +7` is an hour in which
the tick of 03:12 was missed, all others ran, and that of 03:07 was delivered more than once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws import attributes
from shared.aws.names import NO_TARGET, STATE
from shared.job.schedule import MINUTE
from shared.ledger import expected_since, ledger
from shared.ledger.ledger import Accounts, TickOutcome, TickRecord, merged
from shared.run import lost_runs
from shared.tables import TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.manifest import Entry

# How much later than a span its ticks may have started and still be found without the folds.
LATEST = timedelta(hours=1)
KEPT = timedelta(days=90)
TRIES = 3
AGAIN = "+"
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
VERDICTS = {letter: verdict for verdict, letter in CODES.items()}


class DailyLedgerConflict(Exception):
    """Somebody else wrote the day each time that it was read; nothing of ours was."""


class DailyLedger:
    """The folded days of one job."""

    def __init__(self, cloud: Cloud, job: str) -> None:
        self.cloud = cloud
        self.table = cloud.names.table(STATE)
        self.pk = f"ledger#{job}"

    def read(self, since: datetime, until: datetime) -> Accounts:
        """What is folded of the days from that of `since` to that of `until`. One query."""
        pages = self.cloud.dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :since AND :until",
            ExpressionAttributeValues=attributes.row(
                {":pk": self.pk, ":since": f"{since:%Y-%m-%d}", ":until": f"{until:%Y-%m-%d}"}
            ),
        )
        return merged(*(accounts(attributes.plain(item)) for page in pages for item in page["Items"]))

    def day(self, day: str) -> dict[str, Any]:
        """The item of `2026-11-21`, empty where there is none."""
        answer = self.cloud.dynamodb.get_item(
            TableName=self.table, Key=attributes.row({"pk": self.pk, "sk": day}), ConsistentRead=True
        )
        return attributes.plain(answer.get("Item"))

    def add(self, told: Mapping[datetime, TickRecord]) -> int:
        """Fold these in. A read for each day, and a write where it tells something new; how many writes.

        What was folded earlier stays where it is the better verdict: a run that came late was a missed tick before.
        """
        days: dict[str, Accounts] = {}
        for tick, account in told.items():
            if account.outcome in CODES:
                days.setdefault(f"{tick:%Y-%m-%d}", {})[tick] = account
        return sum(self._add(day, accounts) for day, accounts in days.items())

    def _add(self, day: str, told: Accounts) -> int:
        for _ in range(TRIES):
            item = self.day(day)
            known = accounts(item)
            both = merged(known, told)
            if both == known:
                return 0
            hours = {tick.replace(minute=0) for tick in told if both[tick] != known.get(tick)}
            if self._write(day, {f"h{hour:%H}": encode(both, hour) for hour in hours}, item.get("version", 0)):
                return 1
        raise DailyLedgerConflict(f"{self.pk} {day} was written {TRIES} times while it was being folded")

    def _write(self, day: str, texts: Mapping[str, str], version: int) -> bool:
        # A reply that was lost looks like a refusal; the next try reads what we wrote, and finds nothing to add.
        expires = int((clock.parse(day) + KEPT).timestamp())
        values = {f":{name}": text for name, text in texts.items()}
        try:
            self.cloud.dynamodb.update_item(
                TableName=self.table,
                Key=attributes.row({"pk": self.pk, "sk": day}),
                UpdateExpression=(
                    "SET #version = :next, #expires = :expires, "
                    + ", ".join(f"{name} = :{name}" for name in sorted(texts))
                ),
                ConditionExpression="#version = :version" if version else "attribute_not_exists(#version)",
                ExpressionAttributeNames={"#version": "version", "#expires": TTL},
                ExpressionAttributeValues=attributes.row(
                    {**values, ":next": version + 1, ":expires": expires} | ({":version": version} if version else {})
                ),
            )
        except self.cloud.ConditionalCheckFailed:
            return False
        return True


def read(cloud: Cloud, job: str, entry: Entry, since: datetime, until: datetime) -> Accounts:
    """The ledger: an account of every tick from `since` on, before `until`, by what is folded and the rows there are.

    Two queries, one more for each further day, and two reads.
    """
    now = cloud.clock.now()
    folded = DailyLedger(cloud, job).read(since, until)
    # From midnight on: there begins the row of a gap that is still open.
    first = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    seen = ledger.history(cloud, job, first, min(now, until + LATEST) + ledger.SKEW)
    found = merged(folded, ledger.evidence(seen, entry), ledger.gaps(seen, entry))
    counts = expected_since.since(expected_since.read(cloud), job) or now
    absent = [tick for tick in ledger.expected(entry, since, until) if tick not in found]
    judged = ledger.judged(entry, absent, {}, lost_runs.claim_item(cloud, entry, NO_TARGET), now)
    for tick, account in judged.items():
        if account.outcome is TickOutcome.MISSED and tick < counts:
            judged[tick] = TickRecord(TickOutcome.UNKNOWN)
    return {tick: told for tick, told in merged(found, judged).items() if since <= tick < until}


def accounts(item: Mapping[str, Any]) -> Accounts:
    """What a day's item tells."""
    if not item:
        return {}
    day = clock.parse(item["sk"])
    texts = {int(name[1:]): text for name, text in item.items() if name[:1] == "h" and name[1:].isdecimal()}
    return merged(*(decode(text, day.replace(hour=hour)) for hour, text in texts.items()))


def encode(told: Mapping[datetime, TickRecord], hour: datetime) -> str:
    """The ticks of that hour: a letter for each verdict and its minutes, as short as EventBridge can say them."""
    minutes: dict[str, set[int]] = {}
    for tick, account in told.items():
        if tick.replace(minute=0) == hour:
            minutes.setdefault(CODES[account.outcome], set()).add(tick.minute)
            if account.again:
                minutes.setdefault(AGAIN, set()).add(tick.minute)
    return " ".join(letter + MINUTE.eventbridge(frozenset(values)) for letter, values in sorted(minutes.items()))


def decode(text: str, hour: datetime) -> Accounts:
    minutes = {word[0]: MINUTE.parse(word[1:]) for word in text.split()}
    again = minutes.pop(AGAIN, frozenset())
    return {
        hour.replace(minute=minute): TickRecord(VERDICTS[letter], minute in again)
        for letter, values in minutes.items()
        for minute in sorted(values)
    }
