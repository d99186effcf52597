from __future__ import annotations

from functions.mail import _billing_cycles
from shared.archetypes.rollup import Days, Rollup
from shared.job import RunContext, hourly, read_rows, tables, update_rows, version_check


class BandwidthRollup(Rollup):
    """Add up each user's traffic per day, week and billing cycle.

    Sums are bytes and messages per day and week, and bytes per billing cycle.

    A late event counts for the day on which it was received, and for the cycle of that day.
    """

    schedule = hourly(minute=14)
    table = tables.MESSAGES
    when = "received_at"
    sums = ("bytes_used",)
    into = tables.ROLLUPS
    counted = "messages"
    idempotency = version_check("a sum stores the window that was last added to it, and no window is added twice")
    permissions = (read_rows(tables.CYCLES.name), update_rows(tables.CYCLES.name))

    def carry(self, run: RunContext, owner: str, days: Days, end: str) -> None:
        for cycle, used in self.cycles(run, owner, days).items():
            _billing_cycles.add_usage(run, owner, cycle, used, end)

    def cycles(self, run: RunContext, owner: str, days: Days) -> dict[str, int]:
        """Bytes by cycle; days outside any cycle are left out."""
        by_cycle, left = dict[str, int](), dict(days)
        for cycle, ends in _billing_cycles.cycles_between(run, owner, min(days), max(days)):
            within = [day for day in left if cycle <= f"{day}" < ends]
            if within:
                by_cycle[cycle] = sum(left.pop(day)[0] for day in within)
        return by_cycle
