"""Invariant: usage counters equal the batches that were counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.flags import _current_usage, _meter_keys, _periods
from proof.simulation.invariants.invariant import Invariant
from proof.simulation.traffic import ORGANIZATION
from shared.messages.tenant import Tenant
from shared.product.sample_organization import FEATURE
from shared.store import table
from shared.tables import METERS

if TYPE_CHECKING:
    from datetime import datetime

    from shared.aws.cloud import Cloud


class ExactCounters(Invariant):
    """Each counted batch is in the sums once."""

    name = "exact counters"

    def hourly(self) -> None:
        self._look()

    def final(self) -> None:
        self._look()

    def _look(self) -> None:
        tenant = Tenant(ORGANIZATION)
        batches = list(self.observed.traffic.of("usage"))
        counted = [each for each in batches if self._marked(tenant, each.mark)]
        expected = sum(each.units for each in counted)
        with self.world.operator.cloud() as cloud:
            found = sum(_units(cloud, tenant, month) for month in self._months())
        if found != expected:
            self.violated(f"{len(counted)} counted batches have {expected} units, the counters have {found}")

    def _marked(self, tenant: Tenant, mark: str) -> bool:
        return self.world.dynamodb.item(METERS.name, *_meter_keys.batch(tenant, mark)) is not None

    def _months(self) -> list[str]:
        start: datetime = self.observed.traffic.began
        ends = (start.replace(day=1), self.world.clock.now())
        return sorted({_periods.name(_periods.MONTH, each) for each in ends})


def _units(cloud: Cloud, tenant: Tenant, month: str) -> int:
    item = table.get(cloud, METERS, _meter_keys.month(tenant, month))
    ended = [month] if _periods.ended(month, cloud.clock.now()) else []
    units, _ = _current_usage.read(cloud, tenant, month, _meter_keys.FIRST, item, ended)
    return units.get(f"{month}#{FEATURE}", 0)
