"""One table in memory, with its global secondary indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from proof.world.dynamodb import keys
from proof.world.dynamodb.attribute_values import Item, attribute_size, item_size
from proof.world.dynamodb.errors import invalid
from proof.world.dynamodb.keys import Key
from proof.world.dynamodb.partitions import Epoch, Frozen, Partitions, Row
from shared.tables import Index, Table

MAX_ITEM = 400 * 1024
ITEM_TOO_LARGE = "Item size has exceeded the maximum allowed size"
UPDATE_TOO_LARGE = "Item size to update has exceeded the maximum allowed size"
# (table, index) -> how long a write of now takes to arrive in the index.
GsiDelay = Callable[[str, str], timedelta]
# Called after each change of an item with the table's logical name, the key, and the item before and after it.
Observer = Callable[[str, Key, Item | None, Item | None], None]
# The sort key of the index, and the key of the item in the table.
IndexKey = tuple[str, str, str]


class _Change(NamedTuple):
    """A change of an index that is due at a time.

    row: None where the item leaves the index.
    """

    due: datetime
    pk: str
    key: IndexKey
    row: Row | None


class TableSnapshot(NamedTuple):
    rows: Frozen
    indexes: tuple[tuple[Frozen, tuple[_Change, ...]], ...]


class MemoryIndex:
    """Global secondary index: projections of the items with its keys."""

    def __init__(self, table: Table, index: Index, epoch: Epoch) -> None:
        self.index = index
        self.projected = {table.pk, table.sk, index.pk, index.sk, *index.include}
        self.partitions = Partitions(epoch)
        self.pending: tuple[_Change, ...] = ()

    def changes(self, key: Key, old: Item | None, new: Item | None) -> list[tuple[str, IndexKey, Row | None]]:
        """Changes that make the index contain an item as it stands now."""
        before = keys.in_index(self.index, old) if old else None
        after = keys.in_index(self.index, new) if new else None
        changes: list[tuple[str, IndexKey, Row | None]] = []
        if before and before != after:
            changes.append((before[0], (before[1], *key), None))
        if after and new:
            item = {name: value for name, value in new.items() if self.index.whole or name in self.projected}
            changes.append((after[0], (after[1], *key), Row(item, item_size(item))))
        return changes

    def apply(self, pk: str, key: IndexKey, row: Row | None) -> None:
        if row is None:
            self.partitions.delete(pk, key)
        else:
            self.partitions.put(pk, key, row)

    def defer(self, due: datetime, changes: list[tuple[str, IndexKey, Row | None]]) -> None:
        self.pending += tuple(_Change(due, *change) for change in changes)

    def catch_up(self, now: datetime) -> None:
        """Apply the changes that are due; no change overtakes an earlier one."""
        while self.pending and self.pending[0].due <= now:
            change, *later = self.pending
            self.apply(change.pk, change.key, change.row)
            self.pending = tuple(later)


class MemoryTable:
    """Items of a table.

    delay: how long changes take to arrive in an index (default: they are there at once).
    """

    def __init__(
        self, table: Table, name: str, now: Callable[[], datetime], epoch: Epoch, delay: GsiDelay | None = None
    ) -> None:
        self.table = table
        self.name = name
        self.now = now
        self.delay = delay
        self.observer: Observer | None = None
        self.rows = Partitions(epoch)
        self.indexes = {index.name: MemoryIndex(table, index, epoch) for index in table.indexes}

    def get(self, key: Key) -> Item | None:
        row = self.rows.get(key.pk, key.sk)
        return row.item if row else None

    def checked_row(self, item: Item) -> Row:
        """The row of an item that may be stored."""
        return self._checked(Row(item, item_size(item)), ITEM_TOO_LARGE)

    def updated_row(self, before: Row, item: Item, names: Iterable[str]) -> Row:
        """The row of an item of which some attributes were updated."""
        size = before.size
        for name in names:
            size += attribute_size(name, item.get(name)) - attribute_size(name, before.item.get(name))
        return self._checked(Row(item, size), UPDATE_TOO_LARGE)

    def _checked(self, row: Row, too_large: str) -> Row:
        for index in self.table.indexes:
            keys.check_index_values(index, row.item)
        if row.size > MAX_ITEM:
            raise invalid(too_large)
        return row

    def put(self, key: Key, row: Row) -> None:
        old = self.get(key) if self.indexes or self.observer else None
        self.rows.put(key.pk, key.sk, row)
        if self.indexes:
            self._index(key, old, row.item)
        if self.observer:
            self.observer(self.table.name, key, old, row.item)

    def delete(self, key: Key) -> None:
        old = self.get(key)
        self.rows.delete(key.pk, key.sk)
        self._index(key, old, None)
        if self.observer:
            self.observer(self.table.name, key, old, None)

    def _index(self, key: Key, old: Item | None, new: Item | None) -> None:
        for index in self.indexes.values():
            changes = index.changes(key, old, new)
            wait = self.delay(self.table.name, index.index.name) if self.delay else timedelta()
            if wait or index.pending:
                index.defer(self.now() + wait, changes)
            else:
                for change in changes:
                    index.apply(*change)

    def snapshot(self) -> TableSnapshot:
        indexes = tuple((index.partitions.snapshot(), index.pending) for index in self.indexes.values())
        return TableSnapshot(self.rows.snapshot(), indexes)

    def restore(self, snapshot: TableSnapshot) -> None:
        self.rows.restore(snapshot.rows)
        for index, (partitions, pending) in zip(self.indexes.values(), snapshot.indexes, strict=True):
            index.partitions.restore(partitions)
            index.pending = pending
