"""Monthly sums of an organization's usage, as usage-aggregation writes them.

Table `meters`, `<organization>#dashboard` / `<yyyy-mm>`, or `<yyyy-mm>#<row>`: a month with many features has several
rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.aws.permissions import Grant, read_rows
from shared.store import table
from shared.tables import METERS

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.tenant import Tenant

GRANTS: tuple[Grant, ...] = (read_rows(METERS.name),)


def partition(tenant: Tenant) -> str:
    """`<organization>#dashboard`: the sums of all months."""
    return tenant.key("dashboard")


def read(cloud: Cloud, tenant: Tenant, month: str) -> dict[str, Any]:
    """Read a month's sums; empty without usage.

    features: total, peak and peak_day of each feature. days: `{"22": {feature: units}}`. as_of: when computed.
    """
    values = {":pk": partition(tenant), ":month": month}
    sums: dict[str, Any] = {}
    for row in table.query(cloud, METERS, "pk = :pk AND begins_with(sk, :month)", values):
        sums.setdefault("features", {}).update(row["features"])
        for day, units in row["days"].items():
            sums.setdefault("days", {}).setdefault(day, {}).update(units)
        sums["as_of"] = max(row["as_of"], sums.get("as_of", ""))
    return sums
