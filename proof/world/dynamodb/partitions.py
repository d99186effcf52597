"""Rows by partition, in order, with snapshots that copy on write."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any, NamedTuple

from proof.world.dynamodb.attribute_values import Item

# Text in a table; in an index a tuple, whose rest is the key of the item in the table.
SortKey = Any


class Row(NamedTuple):
    """An item, which is never changed, and its size in bytes."""

    item: Item
    size: int


class Epoch:
    """Number of snapshots that were taken or restored.

    Partitions of earlier epochs are part of a snapshot.
    """

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


class Partition:
    """Rows of one partition.

    epoch: the only one in which it may be changed.
    """

    __slots__ = ("epoch", "order", "rows")

    def __init__(self, rows: dict[SortKey, Row], order: list[SortKey], epoch: int) -> None:
        self.rows = rows
        #: The keys of the rows, sorted: strings by code point, which is the order of their bytes in UTF-8.
        self.order = order
        self.epoch = epoch


# A snapshot: partitions that nobody changes any more.
Frozen = dict[str, Partition]


class Partitions:
    """Rows of a table or an index.

    In each epoch a partition is copied before its first write.
    """

    def __init__(self, epoch: Epoch) -> None:
        self._epoch = epoch
        self._copied_in = epoch.number
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

    def changes(self, frozen: Frozen) -> Iterator[tuple[str, SortKey, Item | None]]:
        """Yield keys and items written since a snapshot.

        None for a deleted one.
        """
        if self._partitions is frozen:
            return
        written = [pk for pk, now in self._partitions.items() if frozen.get(pk) is not now]
        for pk in sorted({*written, *(frozen.keys() - self._partitions.keys())}):
            now, before = self._partitions.get(pk), frozen.get(pk)
            rows, old = now.rows if now else {}, before.rows if before else {}
            for key in sorted(rows.keys() | old.keys()):
                row = rows.get(key)
                if row is not old.get(key):
                    yield pk, key, row.item if row else None

    def snapshot(self) -> Frozen:
        """The partitions, which stay as they are from the next epoch on."""
        return self._partitions

    def restore(self, frozen: Frozen) -> None:
        """Return to a snapshot, with which the next epoch begins."""
        self._partitions = frozen

    def _own(self, pk: str) -> Partition:
        """The partition, copied unless it was in this epoch."""
        epoch = self._epoch.number
        if self._copied_in != epoch:
            self._partitions = dict(self._partitions)
            self._copied_in = epoch
        partition = self._partitions.get(pk)
        if partition is None:
            partition = self._partitions[pk] = Partition({}, [], epoch)
        elif partition.epoch != epoch:
            partition = Partition(dict(partition.rows), list(partition.order), epoch)
            self._partitions[pk] = partition
        return partition
