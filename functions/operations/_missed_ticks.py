"""Gaps: consecutive missed ticks of one day.

A gap is recorded in one history row, which grows with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from shared import clock
from shared.aws.cloud import Cloud
from shared.job.manifest import Entry
from shared.ledger import ledger
from shared.ledger.ledger import MINUTE, TickOutcome
from shared.run.history import History
from shared.store import keys, table
from shared.tables import STATE


@dataclass(frozen=True, slots=True)
class Gap:
    """`count` missed ticks of one UTC day, from `first` to `to`."""

    first: datetime
    to: datetime
    count: int
    #: The position of the tick whose run does their work; empty if there is none yet.
    covered: str = ""

    def extended(self, ticks: Sequence[datetime]) -> Gap:
        return replace(self, to=ticks[-1], count=self.count + len(ticks))

    @property
    def note(self) -> str:
        ticks = "it left" if self.count == 1 else f"{self.count} ticks, up to {clock.minute(self.to)}, left"
        covered = f"the tick {self.covered[:17]} does" if self.covered else "the next tick does"
        return f"{ticks} no trace; {covered} the work"


def groups(due: Sequence[datetime], missed: Iterable[datetime]) -> list[list[datetime]]:
    """Group consecutive missed ticks, by UTC day."""
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
    """The gap rows of one job."""

    def __init__(self, cloud: Cloud, job: str, entry: Entry) -> None:
        self.cloud = cloud
        self.job = job
        self.entry = entry

    def before(self, tick: datetime, rows: Iterable[Mapping[str, Any]] | None = None) -> Gap | None:
        """Find the gap that ends at the tick before, or later.

        rows: where to look (default: the last rows of the day are read).
        """
        for row in self._last_rows(tick) if rows is None else rows:
            if row.get("outcome") == TickOutcome.MISSED and "to" in row:
                gap = Gap(clock.parse(row["from"]), clock.parse(row["to"]), row["count"], row.get("covered", ""))
                same_day = gap.first.date() == tick.date() and gap.first <= tick
                if same_day and not ledger.expected_ticks(self.entry, gap.to + MINUTE, tick):
                    return gap
        return None

    def write(self, gap: Gap) -> None:
        history = History(self.cloud, self.job, self.entry["retention"])
        history.record_missed(gap.first, gap.to, gap.count, gap.note, gap.covered)

    def _last_rows(self, tick: datetime) -> list[dict[str, Any]]:
        # During a gap only manual runs write other rows: the gap's own is among the last few.
        values = {":pk": keys.runs(self.job, tick.date()), ":sk": f"{tick:%Y%m%dT%H%M%S}"}
        condition = "pk = :pk AND sk < :sk"
        rows, _ = table.query_page(self.cloud, STATE, condition, values, ScanIndexForward=False, Limit=5)
        return rows
