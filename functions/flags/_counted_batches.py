"""Which batches were counted: the latest stand in the month's row itself, older ones in chunks of their hour.

A process remembers the chunks that it has read or written, so that in the long run a batch is looked up for nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from functions.flags import _monthly_parts, _periods
from shared.aws import attributes
from shared.tables import METERS, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.tenant import Tenant

# Hours of organizations that a process keeps in memory; one with a batch a second has 3,600 of 100 bytes.
SLOTS = 256
KEPT = timedelta(days=100)


@dataclass(slots=True)
class Slot:
    """complete: all chunks numbered below are in `ids`."""

    complete: int = 0
    ids: set[str] = field(default_factory=set)


class Seen:
    """Of one process. A month's chunks are numbered by its row; `number` is how many there were when last seen."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._slots: OrderedDict[tuple[str, str], Slot] = OrderedDict()

    def number(self, tenant: Tenant, month: str) -> int:
        return self._numbers.get((tenant.id, month), 0)

    def advance(self, tenant: Tenant, month: str, number: int) -> None:
        if len(self._numbers) > SLOTS:
            self._numbers.clear()
        self._numbers[tenant.id, month] = number

    def among(self, cloud: Cloud, tenant: Tenant, month: str, shares: Iterable[str]) -> set[str]:
        """Those of the shares that stand in chunks."""
        found = set()
        for share in shares:
            if share in self._slot(cloud, tenant, month, _monthly_parts.slot(month, share)).ids:
                found.add(share)
        return found

    def spill(self, cloud: Cloud, tenant: Tenant, month: str, number: int, ids: set[str]) -> None:
        """Move those ids from the month's row into chunks of that number.

        First the chunks, so that a crash leaves ids in both. Chunks only grow: two who spill at once write one.
        """
        slots: dict[str, set[str]] = {}
        for each in ids:
            slots.setdefault(_monthly_parts.slot(month, each), set()).add(each)
        table, client = cloud.names.table(METERS.name), cloud.dynamodb
        expires = int((_periods.end(month) + KEPT).timestamp())
        for name, own in slots.items():
            client.update_item(
                TableName=table,
                Key=attributes.row({"pk": tenant.key(f"seen#{name}"), "sk": f"{number:08d}"}),
                UpdateExpression="ADD ids :ids SET #expires = :expires",
                ExpressionAttributeNames={"#expires": TTL},
                ExpressionAttributeValues={":ids": {"SS": sorted(own)}, ":expires": attributes.pack(expires)},
            )
        try:
            client.update_item(
                TableName=table,
                Key=month_key(tenant, month),
                UpdateExpression="SET #number = :next DELETE ids :ids",
                ConditionExpression="#number = :number" if number else "attribute_not_exists(#number)",
                ExpressionAttributeNames={"#number": "chunks"},
                ExpressionAttributeValues={
                    ":next": attributes.pack(number + 1),
                    ":ids": {"SS": sorted(ids)},
                    **({":number": attributes.pack(number)} if number else {}),
                },
            )
        except cloud.ConditionalCheckFailed:
            # Another process was faster; which of the ids it took along shows when they are looked for.
            return
        for (organization, name), held in self._slots.items():
            if organization == tenant.id and name.startswith(month) and held.complete == number:
                held.complete = number + 1
                held.ids |= slots.get(name, set())
        self.advance(tenant, month, number + 1)

    def _slot(self, cloud: Cloud, tenant: Tenant, month: str, name: str) -> Slot:
        number = self.number(tenant, month)
        held = self._slots.pop((tenant.id, name), None) or Slot()
        if held.complete < number:
            for page in self._chunks(cloud, tenant, name, held.complete, number):
                for item in page["Items"]:
                    held.ids.update(item["ids"]["SS"])
            held.complete = number
        self._slots[tenant.id, name] = held
        while len(self._slots) > SLOTS:
            self._slots.popitem(last=False)
        return held

    def _chunks(self, cloud: Cloud, tenant: Tenant, name: str, first: int, end: int) -> Any:
        return cloud.dynamodb.get_paginator("query").paginate(
            TableName=cloud.names.table(METERS.name),
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ProjectionExpression="ids",
            ExpressionAttributeValues=attributes.row(
                {":pk": tenant.key(f"seen#{name}"), ":first": f"{first:08d}", ":last": f"{end - 1:08d}"}
            ),
            ConsistentRead=True,
        )


def month_key(tenant: Tenant, month: str) -> dict[str, Any]:
    return attributes.row({"pk": tenant.key(f"month#{month}"), "sk": "-"})
