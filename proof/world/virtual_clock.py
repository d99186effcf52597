"""Clock that is moved by the world; sleeping moves it too."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.clock import Clock


class WorldClock(Clock):
    """Clock of all processes of one world."""

    def __init__(self, now: datetime) -> None:
        self.instant = now

    def now(self) -> datetime:
        return self.instant

    def sleep(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)

    def advance_to(self, instant: datetime) -> None:
        """Move to a later time, never back."""
        self.instant = max(self.instant, instant)
