"""Rows by partition, in order, with snapshots that copy on write."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Any, NamedTuple

from proof.world.dynamodb.attribute_values import Item

# Text in a table; in an index a tuple, whose rest is the key of the item in the table.
SortKey = Any


class Row(NamedTuple):
    """An item, which is never changed, and its size in bytes."""

    item: Item
    size: int


class Partition:
    """Rows of one partition.

    generation: the one in which it may be changed.
    """

    __slots__ = ("generation", "order", "rows")

    def __init__(self, rows: dict[SortKey, Row], order: list[SortKey], generation: object) -> None:
        self.rows = rows
        #: The keys of the rows, sorted: strings by code point, which is the order of their bytes in UTF-8.
        self.order = order
        self.generation = generation


# A snapshot: partitions that nobody changes any more.
Frozen = dict[str, Partition]


class Partitions:
    """Rows of a table or an index.

    Each snapshot begins a generation, in which a partition is copied before its first write.
    """

    def __init__(self) -> None:
        self._generation = object()
        self._copied_in: object = self._generation
        self._partitions: dict[str, Partition] = {}

    def get(self, pk: str, key: SortKey) -> Row | None:
        partition = self._partitions.get(pk)
        return partition.rows.get(key) if partition else None

    def partition(self, pk: str) -> Partition | None:
        return self._partitions.get(pk)

    def all(self) -> list[Row]:
        """Rows in the order of their keys."""
        return [part.rows[key] for _, part in sorted(self._partitions.items()) for key in part.order]

    def put(self, pk: str, key: SortKey, row: Row) -> None:
        partition = self._own(pk)
        if key not in partition.rows:
            if partition.order and key < partition.order[-1]:
                insort(partition.order, key)
            else:
                partition.order.append(key)
        partition.rows[key] = row

    def delete(self, pk: str, key: SortKey) -> None:
        if self.get(pk, key) is None:
            return
        partition = self._own(pk)
        del partition.rows[key]
        del partition.order[bisect_left(partition.order, key)]
        if not partition.rows:
            del self._partitions[pk]

    def snapshot(self) -> Frozen:
        self._generation = object()
        return self._partitions

    def restore(self, frozen: Frozen) -> None:
        self._partitions = frozen
        self._generation = object()

    def _own(self, pk: str) -> Partition:
        """The partition, copied unless it was in this generation."""
        generation = self._generation
        if self._copied_in is not generation:
            self._partitions = dict(self._partitions)
            self._copied_in = generation
        partition = self._partitions.get(pk)
        if partition is None:
            partition = self._partitions[pk] = Partition({}, [], generation)
        elif partition.generation is not generation:
            partition = Partition(dict(partition.rows), list(partition.order), generation)
            self._partitions[pk] = partition
        return partition
