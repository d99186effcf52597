"""Catalogue, FS-06: sums of usage for dashboards."""

from __future__ import annotations

from typing import Any

from functions.flags import _archive, _dashboard, _meter_keys
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
from shared.run import owner_failures
from shared.run.owner_failures import OwnerFailures
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
        *owner_failures.GRANTS,
    )

    def work(self, run: RunContext) -> Outcome:
        failures = OwnerFailures(run)
        return failures.end(self._work(run, failures))

    def _work(self, run: RunContext, failures: OwnerFailures) -> Done:
        days = months = 0
        for partition in DUE.partitions(_archive.DAYS):
            # Days that are done leave the index; those of an organization that fails stay, and are passed over.
            more = None
            while True:
                if days >= run.cap or run.remaining() < RESERVE:
                    return Done({"days": days, "months": months}, checkpoint={"days": days})
                rows, more = _archive.due(run.cloud, partition, more)
                waiting = _by_month(rows)
                for (organization, month, row), its_days in waiting.items():
                    with failures.isolate(organization):
                        _dashboard.make(run.cloud, Tenant(organization), month, row)
                        for of_day in its_days:
                            _mark_done(run, of_day)
                days += len(rows)
                months += len(waiting)
                if more is None:
                    break
        return Done({"days": days, "months": months})

    def plan(self, run: RunContext) -> list[str]:
        months: dict[tuple[str, str], None] = {}
        for partition in DUE.partitions(_archive.DAYS):
            for rows in _archive.pages(_archive.due, run.cloud, partition):
                months |= {key[:2]: None for key in _by_month(rows)}
        return [f"sum up {month} of {organization}" for organization, month in months]


def _by_month(rows: list[dict[str, Any]]) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    """Group archived days by organization, month and row."""
    months: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        organization, _, name = row["pk"].partition("#")
        day = row["sk"].partition("#")[2]
        of_month = organization, day[:7], name.partition("#")[2] or _meter_keys.FIRST
        months.setdefault(of_month, []).append(row)
    return months


def _mark_done(run: RunContext, row: dict[str, Any]) -> None:
    # A day that was changed since it was read waits for the next run.
    key, values = table.RowKey(row["pk"], row["sk"]), {":at": row[DUE.sk]}
    table.update_if(
        run.cloud, tables.METERS, key, "REMOVE #due, #at", values, "#at = :at", names={"#due": DUE.pk, "#at": DUE.sk}
    )
