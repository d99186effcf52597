"""Ids of the usage batches that were counted.

Those of the latest batches are in the month's row, those of older ones in chunks by hour. A process caches the chunks
that it has read or written, so that in the long run it need not read them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from functions.flags import _meter_keys, _monthly_parts, _periods
from shared.store import table
from shared.tables import METERS, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.tenant import Tenant

# Hours of organizations that a process caches; one with a batch per second has 3,600 ids of 100 bytes.
CACHED_HOURS = 256
RETENTION = timedelta(days=100)


@dataclass(slots=True)
class HourIds:
    """The cached ids of an hour."""

    #: All chunks with lower numbers are in `ids`.
    complete: int = 0
    ids: set[str] = field(default_factory=set)


class CountedBatches:
    """The cache of one process.

    The month's row numbers its chunks; the cache has the number as it was last read.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._hours: OrderedDict[tuple[str, str], HourIds] = OrderedDict()

    def number(self, tenant: Tenant, month: str) -> int:
        return self._numbers.get((tenant.id, month), 0)

    def advance(self, tenant: Tenant, month: str, number: int) -> None:
        if len(self._numbers) > CACHED_HOURS:
            self._numbers.clear()
        self._numbers[tenant.id, month] = number

    def in_chunks(self, cloud: Cloud, tenant: Tenant, month: str, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that are in chunks."""
        found = set()
        for each in ids:
            if each in self._read(cloud, tenant, month, _monthly_parts.hour_of(month, each)).ids:
                found.add(each)
        return found

    def move_to_chunks(self, cloud: Cloud, tenant: Tenant, month: str, number: int, ids: set[str]) -> None:
        """Move ids from the month's row into chunks of this number.

        The chunks first, so that after a crash the ids are in both. Chunks only grow: two processes that move at once
        write the same ones.
        """
        by_hour: dict[str, set[str]] = {}
        for each in ids:
            by_hour.setdefault(_monthly_parts.hour_of(month, each), set()).add(each)
        expires = int((_periods.end(month) + RETENTION).timestamp())
        for hour, own in by_hour.items():
            table.update(
                cloud,
                METERS,
                _meter_keys.chunk(tenant, hour, number),
                "ADD ids :ids SET #expires = :expires",
                {":ids": own, ":expires": expires},
                names={"#expires": TTL},
            )
        moved = table.update_if(
            cloud,
            METERS,
            _meter_keys.month(tenant, month),
            "SET #number = :next DELETE ids :ids",
            {":next": number + 1, ":ids": ids, **({":number": number} if number else {})},
            "#number = :number" if number else "attribute_not_exists(#number)",
            names={"#number": "chunks"},
        )
        # If another process was first, the next look-up reads which of the ids it has moved.
        if moved:
            self._cache(tenant, month, number, by_hour)

    def _cache(self, tenant: Tenant, month: str, number: int, by_hour: dict[str, set[str]]) -> None:
        for (organization, hour), cached in self._hours.items():
            if organization == tenant.id and hour.startswith(month) and cached.complete == number:
                cached.complete = number + 1
                cached.ids |= by_hour.get(hour, set())
        self.advance(tenant, month, number + 1)

    def _read(self, cloud: Cloud, tenant: Tenant, month: str, hour: str) -> HourIds:
        number = self.number(tenant, month)
        cached = self._hours.pop((tenant.id, hour), None) or HourIds()
        if cached.complete < number:
            first, last = (_meter_keys.chunk(tenant, hour, each).sk for each in (cached.complete, number - 1))
            condition = "pk = :pk AND sk BETWEEN :first AND :last"
            values = {":pk": _meter_keys.chunks(tenant, hour), ":first": first, ":last": last}
            for item in table.query(cloud, METERS, condition, values, attributes_read=("ids",), ConsistentRead=True):
                cached.ids.update(item["ids"])
            cached.complete = number
        self._hours[tenant.id, hour] = cached
        while len(self._hours) > CACHED_HOURS:
            self._hours.popitem(last=False)
        return cached
