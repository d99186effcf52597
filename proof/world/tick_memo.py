"""Ticks of schedules, computed once for all plans."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from shared.job.schedule import Schedule


class TickMemo:
    """Ticks of one schedule, computed when they are asked for."""

    def __init__(self, ticks: Iterator[datetime]) -> None:
        self._more = ticks
        self._ticks: list[datetime] = []

    def after(self, start: datetime) -> Iterator[datetime]:
        """Yield the ticks later than `start`."""
        while not self._ticks or self._ticks[-1] <= start:
            self._ticks.append(next(self._more))
        number = bisect_right(self._ticks, start)
        while True:
            if number == len(self._ticks):
                self._ticks.append(next(self._more))
            yield self._ticks[number]
            number += 1


@contextmanager
def remembered_ticks(first: datetime, span: timedelta) -> Iterator[None]:
    """Compute each tick from `first` on once.

    Earlier periods, and those later than the span, are computed each time.
    """
    compute = Schedule.after
    memos: dict[Schedule, TickMemo] = {}

    def after(self: Schedule, start: datetime) -> Iterator[datetime]:
        if not first <= start < first + span:
            return compute(self, start)
        if self not in memos:
            memos[self] = TickMemo(compute(self, first))
        return memos[self].after(start)

    Schedule.after = after  # type: ignore[method-assign]
    try:
        yield
    finally:
        Schedule.after = compute  # type: ignore[method-assign]
