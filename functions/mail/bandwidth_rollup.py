from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from shared import clock
from shared.archetypes.rollup import Days, Rollup
from shared.aws import attributes
from shared.job import RunContext, hourly, read_rows, tables, update_rows, version_check
from shared.store.add_once import Addition, add_once


class BandwidthRollup(Rollup):
    """Add up bytes and messages of each user's days and weeks, and bytes of their billing cycle.

    An event that comes late counts for the day on which it was received, and for the cycle of that day.
    """

    schedule = hourly(minute=14)
    table = tables.MESSAGES
    when = "received_at"
    sums = ("bytes_used",)
    into = tables.ROLLUPS
    counted = "messages"
    idempotency = version_check("a sum carries the window that was last added to it, and no window is added twice")
    permissions = (read_rows(tables.CYCLES.name), update_rows(tables.CYCLES.name))

    def carry(self, run: RunContext, owner: str, days: Days, end: str) -> None:
        for cycle, used in self.cycles(run, owner, days).items():
            now = clock.iso(run.cloud.clock.now())
            moved = {"moved_at": now, tables.DUE.pk: tables.DUE.partition(f"{owner}#{cycle}"), tables.DUE.sk: now}
            add_once(
                run.cloud, tables.CYCLES, Addition(owner, cycle, {"bytes_used": used}, sets=moved, there=True), end
            )

    def cycles(self, run: RunContext, owner: str, days: Days) -> dict[str, int]:
        """Bytes by cycle; what was received in none counts for none."""
        found, left = dict[str, int](), dict(days)
        for cycle, ends in _began(run, owner, max(days), min(days)):
            within = [day for day in left if cycle <= f"{day}" < ends]
            if within:
                found[cycle] = sum(left.pop(day)[0] for day in within)
        return found


def _began(run: RunContext, owner: str, newest: date, eldest: date) -> Iterator[tuple[str, str]]:
    """Cycles that have days from the eldest to the newest, the newest first: the day each began, and when it ends."""
    pages = run.cloud.dynamodb.get_paginator("query").paginate(
        TableName=run.cloud.names.table(tables.CYCLES.name),
        KeyConditionExpression="pk = :owner AND sk <= :newest",
        ExpressionAttributeValues=attributes.row({":owner": owner, ":newest": f"{newest}"}),
        ScanIndexForward=False,
        PaginationConfig={"PageSize": 2},
    )
    for page in pages:
        for item in page["Items"]:
            cycle = attributes.plain(item)
            yield cycle["sk"], cycle.get("ends_at", "")[:10]
            if cycle["sk"] <= f"{eldest}":
                return
