"""What dashboards show: a month of an organization, `<organization>#dashboard` / `<yyyy-mm>`, made of its days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from functions.flags._archive import UNITS
from shared import clock
from shared.aws import attributes
from shared.tables import METERS

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.tenant import Tenant


def read(cloud: Cloud, tenant: Tenant, month: str) -> dict[str, Any]:
    """total, peak and peak_day of each feature, and days: `{"22": {feature: units}}`; empty where nothing was used."""
    answer = cloud.dynamodb.get_item(TableName=cloud.names.table(METERS.name), Key=_key(tenant, month))
    return attributes.plain(answer.get("Item"))


def make(cloud: Cloud, tenant: Tenant, month: str) -> None:
    """Sum the month up anew from the days that are over; the same days make the same sums."""
    now = clock.iso(cloud.clock.now())
    days = {day: _units(row) for day, row in _days(cloud, tenant, month)}
    features: dict[str, dict[str, Any]] = {}
    for day, units in sorted(days.items()):
        for feature, used in units.items():
            shown = features.setdefault(feature, {"total": 0, "peak": -1, "peak_day": day})
            shown["total"] += used
            if used > shown["peak"]:
                shown["peak"], shown["peak_day"] = used, day
    try:
        cloud.dynamodb.put_item(
            TableName=cloud.names.table(METERS.name),
            Item={**_key(tenant, month), **attributes.row({"features": features, "days": days, "as_of": now})},
            # A run that was long away writes no older sums over newer ones.
            ConditionExpression="attribute_not_exists(as_of) OR as_of <= :now",
            ExpressionAttributeValues=attributes.row({":now": now}),
        )
    except cloud.ConditionalCheckFailed:
        return


def _days(cloud: Cloud, tenant: Tenant, month: str) -> list[tuple[str, dict[str, Any]]]:
    pages = cloud.dynamodb.get_paginator("query").paginate(
        TableName=cloud.names.table(METERS.name),
        KeyConditionExpression="pk = :pk AND begins_with(sk, :month)",
        ExpressionAttributeValues=attributes.row({":pk": tenant.key("periods"), ":month": f"day#{month}-"}),
        ConsistentRead=True,
    )
    found = [attributes.plain(item) for page in pages for item in page["Items"]]
    return [(row["sk"][-2:], row) for row in found]


def _units(row: Mapping[str, Any]) -> dict[str, int]:
    return {name.removeprefix(UNITS): value for name, value in row.items() if name.startswith(UNITS)}


def _key(tenant: Tenant, month: str) -> dict[str, Any]:
    return attributes.row({"pk": tenant.key("dashboard"), "sk": month})
