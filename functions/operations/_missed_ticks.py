"""Ticks in a row that left no trace: one history row for them, which grows while the gap does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from shared import clock
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.names import STATE
from shared.job.manifest import Entry
from shared.ledger import ledger
from shared.ledger.ledger import MINUTE, TickOutcome
from shared.run.history import History


@dataclass(frozen=True, slots=True)
class Gap:
    """`count` ticks of one UTC day, from `first` to `to`. covered: the position of the tick whose run stands for them,
    empty where none does yet."""

    first: datetime
    to: datetime
    count: int
    covered: str = ""

    def grown(self, ticks: Sequence[datetime]) -> Gap:
        return replace(self, to=ticks[-1], count=self.count + len(ticks))

    @property
    def note(self) -> str:
        left = "it left" if self.count == 1 else f"{self.count} ticks, up to {clock.minute(self.to)}, left"
        rest = f"that of {self.covered[:17]} stands for it" if self.covered else "the next one does its work"
        return f"{left} no trace; {rest}"


def groups(due: Sequence[datetime], missed: Iterable[datetime]) -> list[list[datetime]]:
    """Missed ticks with no other between them; a new group begins with each UTC day, as history does."""
    found: list[list[datetime]] = []
    wanted, before = set(missed), None
    for tick in due:
        if tick in wanted:
            if before is not None and found and found[-1][-1] == before and before.date() == tick.date():
                found[-1].append(tick)
            else:
                found.append([tick])
        before = tick
    return found


class Gaps:
    """The gaps of one job, as history has them."""

    def __init__(self, cloud: Cloud, job: str, entry: Entry) -> None:
        self.cloud = cloud
        self.job = job
        self.entry = entry

    def up_to(self, tick: datetime, seen: Iterable[Mapping[str, Any]] | None = None) -> Gap | None:
        """The gap that ends with the tick before this one, or later: in these rows, else the newest of its day."""
        for row in self._before(tick) if seen is None else seen:
            if row.get("outcome") == TickOutcome.MISSED and "to" in row:
                gap = Gap(clock.parse(row["from"]), clock.parse(row["to"]), row["count"], row.get("covered", ""))
                same = gap.first.date() == tick.date() and gap.first <= tick
                if same and not ledger.expected_ticks(self.entry, gap.to + MINUTE, tick):
                    return gap
        return None

    def write(self, gap: Gap) -> None:
        history = History(self.cloud, self.job, self.entry["retention"])
        history.record_missed(gap.first, gap.to, gap.count, gap.note, gap.covered)

    def _before(self, tick: datetime) -> list[dict[str, Any]]:
        # While a gap lasts nothing else writes rows, but for runs by hand: its own is among the last few.
        answer = self.cloud.dynamodb.query(
            TableName=self.cloud.names.table(STATE),
            KeyConditionExpression="pk = :pk AND sk < :sk",
            ExpressionAttributeValues=attributes.row(
                {":pk": f"runs#{self.job}#{tick:%Y-%m-%d}", ":sk": f"{tick:%Y%m%dT%H%M%S}"}
            ),
            ScanIndexForward=False,
            Limit=5,
        )
        return [attributes.plain(item) for item in answer["Items"]]
