"""See the catalogue, FS-06."""

from __future__ import annotations

from typing import Any

from functions.flags import _archive, _dashboard
from functions.flags._counters import DUE
from shared.aws import attributes
from shared.aws.permissions import Grant, read_rows, update_rows
from shared.job import retry_policies
from shared.job.definition import Job
from shared.job.idempotency import upsert
from shared.job.outcome import Done, Outcome
from shared.job.schedule import daily
from shared.messages.tenant import Tenant
from shared.run.context import RunContext
from shared.tables import METERS

RESERVE = 10


class UsageAggregation(Job):
    """Sum up the months of organizations whose days were closed, or added to, since: dashboards read these sums.

    Days wait in an index until they are summed up, so that after an outage one run sums up all of them.
    """

    schedule = daily(hour=0, minute=33)
    cap = 50_000
    retry = retry_policies.MAINTENANCE
    idempotency = upsert("a month's sums are made anew from its days, and replace what was there")
    permissions = (
        read_rows(METERS.name),
        update_rows(METERS.name),
        Grant(("dynamodb:PutItem",), f"table/{METERS.name}"),
    )

    def work(self, run: RunContext) -> Outcome:
        days = months = 0
        for partition in DUE.partitions(_archive.DAYS):
            while True:
                if days >= run.cap or run.remaining() < RESERVE:
                    return Done({"days": days, "months": months}, checkpoint={"days": days})
                found, more = _archive.due(run.cloud, partition)
                waiting = _by_month(found)
                for (organization, month), its_days in waiting.items():
                    _dashboard.make(run.cloud, Tenant(organization), month)
                    for row in its_days:
                        _done(run, row)
                days += len(found)
                months += len(waiting)
                # What was done is not found again, so the next page is the first one.
                if more is None:
                    break
        return Done({"days": days, "months": months})

    def plan(self, run: RunContext) -> list[str]:
        waiting = [_archive.due(run.cloud, partition)[0] for partition in DUE.partitions(_archive.DAYS)]
        return [f"sum up {month} of {organization}" for found in waiting for organization, month in _by_month(found)]


def _by_month(found: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    months: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in found:
        organization, day = row["pk"].partition("#")[0], row["sk"].partition("#")[2]
        months.setdefault((organization, day[:7]), []).append(row)
    return months


def _done(run: RunContext, row: dict[str, Any]) -> None:
    try:
        run.cloud.dynamodb.update_item(
            TableName=run.cloud.names.table(METERS.name),
            Key=attributes.row({"pk": row["pk"], "sk": row["sk"]}),
            UpdateExpression="REMOVE #due, #at",
            # What was added since waits for the next run.
            ConditionExpression="#at = :at",
            ExpressionAttributeNames={"#due": DUE.pk, "#at": DUE.sk},
            ExpressionAttributeValues=attributes.row({":at": row[DUE.sk]}),
        )
    except run.cloud.ConditionalCheckFailed:
        return
