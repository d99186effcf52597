"""What becomes of ticks that were missed: nothing, or one run for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from shared.schedule import Schedule


class CatchUp(StrEnum):
    """NONE: the next tick does their work. ONCE: the newest of them is run, late, unless a later tick has run."""

    NONE = "none"
    ONCE = "once"

    @classmethod
    def by_default(cls, schedules: Sequence[Schedule], grace: int | None) -> CatchUp:
        """A tick is a wake-up, so the next one covers it; ONCE is for what could wait longer than an hour for that.

        A job with a grace wants no late run at all.
        """
        often = any(schedule.every_hour for schedule in schedules)
        return cls.NONE if often or not schedules or grace is not None else cls.ONCE
