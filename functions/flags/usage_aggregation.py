"""Catalogue, FS-06: sums of usage for dashboards."""

from __future__ import annotations

from typing import Any

from functions.flags import _archive, _dashboard
from functions.flags._counters import DUE
from shared.job import (
    Done,
    Grant,
    Job,
    Outcome,
    RunContext,
    daily,
    read_rows,
    retry_policies,
    tables,
    update_rows,
    upsert,
)
from shared.messages.tenant import Tenant
from shared.store import table

# Remaining seconds below which no further page is read.
RESERVE = 10


class UsageAggregation(Job):
    """Sum up months with archived or changed days, for dashboards.

    Days wait in an index until they are summed up: after an outage one run sums up all of them.
    """

    schedule = daily(hour=0, minute=33)
    cap = 50_000
    retry = retry_policies.MAINTENANCE
    idempotency = upsert("a month's sums are computed from all its days and replace the earlier ones")
    permissions = (
        read_rows(tables.METERS.name),
        update_rows(tables.METERS.name),
        Grant(("dynamodb:PutItem",), f"table/{tables.METERS.name}"),
    )

    def work(self, run: RunContext) -> Outcome:
        days = months = 0
        for partition in DUE.partitions(_archive.DAYS):
            while True:
                if days >= run.cap or run.remaining() < RESERVE:
                    return Done({"days": days, "months": months}, checkpoint={"days": days})
                rows, more = _archive.due(run.cloud, partition)
                waiting = _by_month(rows)
                for (organization, month), its_days in waiting.items():
                    _dashboard.make(run.cloud, Tenant(organization), month)
                    for row in its_days:
                        _mark_done(run, row)
                days += len(rows)
                months += len(waiting)
                # Days that are done leave the index, so the next page is the first one.
                if more is None:
                    break
        return Done({"days": days, "months": months})

    def plan(self, run: RunContext) -> list[str]:
        waiting = [_archive.due(run.cloud, partition)[0] for partition in DUE.partitions(_archive.DAYS)]
        return [f"sum up {month} of {organization}" for rows in waiting for organization, month in _by_month(rows)]


def _by_month(rows: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    months: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        organization, day = row["pk"].partition("#")[0], row["sk"].partition("#")[2]
        months.setdefault((organization, day[:7]), []).append(row)
    return months


def _mark_done(run: RunContext, row: dict[str, Any]) -> None:
    # A day that was changed since it was read waits for the next run.
    key, values = table.RowKey(row["pk"], row["sk"]), {":at": row[DUE.sk]}
    table.update_if(
        run.cloud, tables.METERS, key, "REMOVE #due, #at", values, "#at = :at", names={"#due": DUE.pk, "#at": DUE.sk}
    )
