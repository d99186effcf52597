"""Read the usage of periods, archived ones included."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from functions.flags import _meter_keys
from functions.flags._archive import UNITS
from functions.flags._counters import counters
from shared.store import table
from shared.tables import METERS

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.tenant import Tenant

TRIES = 5


def read(
    cloud: Cloud, tenant: Tenant, month: str, row: str, item: dict[str, Any], ended: Iterable[str]
) -> tuple[dict[str, int], set[str]]:
    """Return the units by `<period>#<feature>`, and the keys of notified thresholds.

    item: the row of the month as it was read. ended: periods that may have been archived, completely or in part.
    """
    periods = sorted(ended)
    if not periods:
        return counters(item), {*item.get("told", ())}
    archived = _archived(cloud, tenant, row, periods)
    for _ in range(TRIES):
        item = table.get(cloud, METERS, _meter_keys.month(tenant, month, row))
        before, archived = archived, _archived(cloud, tenant, row, periods)
        # Counters that are moved between the reads would be in both sums, or in none.
        if before == archived:
            break
    units = counters(item)
    for period, its_row in archived.items():
        for name, value in its_row.items():
            if name.startswith(UNITS):
                counter = f"{period}#{name.removeprefix(UNITS)}"
                units[counter] = units.get(counter, 0) + value
    return units, {*item.get("told", ())}


def _archived(cloud: Cloud, tenant: Tenant, row: str, periods: Iterable[str]) -> dict[str, dict[str, Any]]:
    return {period: table.get(cloud, METERS, _meter_keys.period(tenant, period, row)) for period in periods}
