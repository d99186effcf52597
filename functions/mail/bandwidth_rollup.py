from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from shared import clock
from shared.archetypes.rollup import Days, Rollup
from shared.job import RunContext, hourly, read_rows, tables, update_rows, version_check
from shared.store import table
from shared.store.add_once import Addition, add_once


class BandwidthRollup(Rollup):
    """Add up each user's bytes and messages per day and week, and bytes per billing cycle.

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
            now = clock.iso(run.cloud.clock.now())
            moved = {"moved_at": now, tables.DUE.pk: tables.DUE.partition(f"{owner}#{cycle}"), tables.DUE.sk: now}
            add_once(
                run.cloud, tables.CYCLES, Addition(owner, cycle, {"bytes_used": used}, sets=moved, there=True), end
            )

    def cycles(self, run: RunContext, owner: str, days: Days) -> dict[str, int]:
        """Bytes by cycle; days outside any cycle are left out."""
        by_cycle, left = dict[str, int](), dict(days)
        for cycle, ends in _cycles_between(run, owner, min(days), max(days)):
            within = [day for day in left if cycle <= f"{day}" < ends]
            if within:
                by_cycle[cycle] = sum(left.pop(day)[0] for day in within)
        return by_cycle


def _cycles_between(run: RunContext, owner: str, oldest: date, newest: date) -> Iterator[tuple[str, str]]:
    """Yield the first and the end day of the cycles that contain these days, the newest first."""
    cycles = table.query(
        run.cloud,
        tables.CYCLES,
        "pk = :owner AND sk <= :newest",
        {":owner": owner, ":newest": f"{newest}"},
        ScanIndexForward=False,
        Limit=2,
    )
    for cycle in cycles:
        yield cycle["sk"], cycle.get("ends_at", "")[:10]
        if cycle["sk"] <= f"{oldest}":
            return
