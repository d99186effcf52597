"""Billing cycles of users, by day, and additions to their usage."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from shared import clock
from shared.job import RunContext, tables
from shared.store import table
from shared.store.add_once import Addition, add_once


def add_usage(run: RunContext, owner: str, cycle: str, used: int, end: str) -> None:
    """Add bytes to a cycle, once per window `end`.

    The cycle is then due for the threshold check.
    """
    now = clock.iso(run.cloud.clock.now())
    moved = {"moved_at": now, tables.DUE.pk: tables.DUE.partition(f"{owner}#{cycle}"), tables.DUE.sk: now}
    add_once(run.cloud, tables.CYCLES, Addition(owner, cycle, {"bytes_used": used}, sets=moved, there=True), end)


def cycles_between(run: RunContext, owner: str, oldest: date, newest: date) -> Iterator[tuple[str, str]]:
    """Yield first and last day of the cycles with these days.

    The newest first.
    """
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
