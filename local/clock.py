"""Clock of the ticker: the machine's, or a virtual one."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol


class TickerClock(Protocol):
    def now(self) -> datetime:
        """In UTC, aware."""

    def wait_until(self, moment: datetime, stop: threading.Event) -> bool:
        """Return at `moment`, True, or as soon as `stop` is set, False."""


class RealClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def wait_until(self, moment: datetime, stop: threading.Event) -> bool:
        # Short waits: a wait follows the monotonic clock, but the machine may sleep and its clock may be set.
        while (left := (moment - self.now()).total_seconds()) > 0:
            if stop.wait(min(left, 10)):
                return False
        return not stop.is_set()


class VirtualClock:
    """A clock that jumps to the end of each wait."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def wait_until(self, moment: datetime, stop: threading.Event) -> bool:
        self._now = max(self._now, moment)
        return not stop.is_set()

    def advance(self, by: timedelta) -> None:
        self._now += by
