"""Monthly sums for dashboards: `<organization>#dashboard` / `<yyyy-mm>`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from functions.flags import _meter_keys
from functions.flags._archive import UNITS
from shared import clock
from shared.store import table
from shared.store.table import ConditionFailed
from shared.tables import METERS

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.tenant import Tenant


def make(cloud: Cloud, tenant: Tenant, month: str, row: str) -> None:
    """Sum up the ended days of a month's row.

    The same days make the same sums.
    """
    now = clock.iso(cloud.clock.now())
    days = {of_day["sk"][-2:]: _units(of_day) for of_day in _days(cloud, tenant, month, row)}
    features: dict[str, dict[str, Any]] = {}
    for day, units in sorted(days.items()):
        for feature, used in units.items():
            sums = features.setdefault(feature, {"total": 0, "peak": -1, "peak_day": day})
            sums["total"] += used
            if used > sums["peak"]:
                sums["peak"], sums["peak_day"] = used, day
    item = {**_meter_keys.dashboard(tenant, month, row).attributes, "features": features, "days": days, "as_of": now}
    try:
        table.put_if(cloud, METERS, item, "attribute_not_exists(as_of) OR as_of <= :now", {":now": now})
    except ConditionFailed:
        # A later run has written newer sums.
        return


def _days(cloud: Cloud, tenant: Tenant, month: str, row: str) -> Iterator[dict[str, Any]]:
    values = {":pk": _meter_keys.periods(tenant, row), ":month": f"day#{month}-"}
    return table.query(cloud, METERS, "pk = :pk AND begins_with(sk, :month)", values, ConsistentRead=True)


def _units(row: Mapping[str, Any]) -> dict[str, int]:
    return {name.removeprefix(UNITS): value for name, value in row.items() if name.startswith(UNITS)}
