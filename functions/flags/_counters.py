"""Counters of an organization's month, in one row.

One conditional write adds the usage of several batches.

`<organization>#month#<yyyy-mm>` / `-` has a number for each `<period>#<feature>`, and the ids of the latest batches
that were counted. The write requires that it has none of its own batches yet, and that this process has read the ids of
all older ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from functions.flags import _meter_keys, _periods
from functions.flags._counted_batches import RETENTION, CountedBatches
from functions.flags._monthly_parts import MAX_COUNTERS, MonthlyPart
from shared import clock
from shared.store import table
from shared.store.table import ConditionFailed
from shared.tables import METERS, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.tenant import Tenant

# Ids in the row above which they are moved out. With more, each write costs more units; with fewer, more writes only
# move ids: `python -m benchmarks.consumer` has 0.12 calls and 0.2 units a message.
MAX_IDS = 100
# Batches per write: a condition has at most 4,096 bytes and 300 operators.
MAX_BATCHES = 50
TRIES = 8
OPEN = "open"
DUE = METERS.indexes[0]


class Contended(Exception):
    """Other processes wrote the month before each try; the messages are retried."""


class UsageCounters:
    """The counters as one process writes them."""

    def __init__(self) -> None:
        self.counted = CountedBatches()

    def add(
        self, cloud: Cloud, tenant: Tenant, month: str, parts: Sequence[MonthlyPart]
    ) -> Iterator[Mapping[str, Any]]:
        """Count each part once; yield the month's row after each write.

        The row is as it was read, or empty, if there was nothing to add.
        """
        distinct = list({part.id: part for part in parts}.values())
        for group in _groups(distinct):
            yield self._add(cloud, tenant, month, group)

    def _add(self, cloud: Cloud, tenant: Tenant, month: str, parts: Sequence[MonthlyPart]) -> Mapping[str, Any]:
        left: dict[str, MonthlyPart] = {part.id: part for part in parts}
        head: Mapping[str, Any] = {}
        for _ in range(TRIES):
            chunks = self.counted.number(tenant, month)
            for counted in self.counted.in_chunks(cloud, tenant, month, left):
                del left[counted]
            if not left:
                return head
            try:
                head = _write(cloud, tenant, month, left.values(), chunks)
            except ConditionFailed as error:
                head = error.item
                # Also the parts of this write, if it won and its reply was lost.
                for counted in {*head.get("ids", ())} & left.keys():
                    del left[counted]
                self.counted.advance(tenant, month, head.get("chunks", 0))
                continue
            if len(head["ids"]) >= MAX_IDS:
                self.counted.move_to_chunks(cloud, tenant, month, chunks, {*head["ids"]})
            return head
        raise Contended(f"{tenant.id}: the counters of {month} were written by others {TRIES} times in a row")


def counters(head: Mapping[str, Any]) -> dict[str, int]:
    """Return the counters of a month's row, by `<period>#<feature>`."""
    return {name: value for name, value in head.items() if "#" in name}


def _write(cloud: Cloud, tenant: Tenant, month: str, parts: Collection[MonthlyPart], chunks: int) -> Mapping[str, Any]:
    total = Counter[str]()
    for part in parts:
        total.update(part.counts)
    ids = {f":i{number}": part.id for number, part in enumerate(parts)}
    conditions = [
        "#chunks = :chunks" if chunks else "attribute_not_exists(#chunks)",
        *(f"NOT contains(ids, {each})" for each in ids),
    ]
    return table.update(
        cloud,
        METERS,
        _meter_keys.month(tenant, month),
        f"ADD ids :ids, {', '.join(f'#c{number} :c{number}' for number in range(len(total)))} "
        "SET #due = if_not_exists(#due, :due), #at = if_not_exists(#at, :at), #expires = :expires",
        {
            **{f":c{number}": amount for number, amount in enumerate(total.values())},
            **ids,
            ":ids": set(ids.values()),
            ":due": DUE.partition(tenant.id, OPEN),
            ":at": clock.iso(_periods.start(month)),
            ":expires": int((_periods.end(month) + RETENTION).timestamp()),
            ":chunks": chunks or None,
        },
        condition=" AND ".join(conditions),
        names={
            "#chunks": "chunks",
            "#due": DUE.pk,
            "#at": DUE.sk,
            "#expires": TTL,
            **{f"#c{number}": name for number, name in enumerate(total)},
        },
        return_new=True,
    )


def _groups(parts: Sequence[MonthlyPart]) -> Iterator[list[MonthlyPart]]:
    """Yield groups that fit into one write."""
    group, names = list[MonthlyPart](), set[str]()
    for part in parts:
        if group and (len(group) == MAX_BATCHES or len(names | part.counts.keys()) > MAX_COUNTERS):
            yield group
            group, names = [], set()
        group.append(part)
        names |= part.counts.keys()
    if group:
        yield group
