"""DynamoDB in memory: exact, single-threaded, with snapshots.

It has what the jobs use of DynamoDB's interface, and refuses the rest with NotImplementedError. The conformance suite
holds it against moto and the local engine (tests/conformance/test_dynamodb.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from proof.world.dynamodb import attribute_values, keys
from proof.world.dynamodb.attribute_values import Item
from proof.world.dynamodb.batch_writes import batch_write_item
from proof.world.dynamodb.errors import Refused, unimplemented
from proof.world.dynamodb.keys import Key
from proof.world.dynamodb.memory_table import GsiDelay, MemoryTable, Observer, TableSnapshot
from proof.world.dynamodb.partitions import Epoch
from proof.world.dynamodb.query import query
from proof.world.dynamodb.reads import batch_get_item, get_item
from proof.world.dynamodb.transactions import Tokens, Transactions
from proof.world.dynamodb.writes import SINGLE
from shared.tables import Table


@dataclass(frozen=True, slots=True)
class DatabaseSnapshot:
    """State of all tables.

    Taking one copies nothing; later writes copy the partitions that they change.
    """

    tables: tuple[TableSnapshot, ...]
    tokens: Tokens


class MemoryDynamoDb:
    """Tables by their AWS names, with one method for all operations.

    table_name: logical name -> AWS name. now: for tokens of transactions, and for changes of indexes that arrive late.
    gsi_delay: (logical table, index) -> how long after a write the index has it (default: a query sees it at once).

    Expired rows stay, as on AWS, where DynamoDB deletes them within days.
    """

    def __init__(
        self,
        tables: Sequence[Table],
        table_name: Callable[[str], str],
        now: Callable[[], datetime],
        gsi_delay: GsiDelay | None = None,
    ) -> None:
        self._now = now
        self._gsi_delay = gsi_delay
        self._epoch = Epoch()
        self._by_name: dict[str, MemoryTable] = {}
        self._tables: dict[str, MemoryTable] = {}
        for table in tables:
            self.add(table, table_name(table.name))
        self._transactions = Transactions(self._tables, now)
        self._operations: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            **{name: partial(perform, self._tables) for name, perform in SINGLE.items()},
            "GetItem": partial(get_item, self._tables),
            "Query": partial(query, self._tables),
            "BatchGetItem": partial(batch_get_item, self._tables),
            "BatchWriteItem": partial(batch_write_item, self._tables),
            "TransactWriteItems": self._transactions.write,
        }

    def add(self, table: Table, name: str) -> None:
        """Create an empty table, in place of one of the same name.

        name: its AWS name.
        """
        self._by_name[table.name] = made = MemoryTable(table, name, self._now, self._epoch, self._gsi_delay)
        self._tables[name] = made

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Perform an operation, such as `PutItem`.

        The parameters and the answer are those of boto3's client.

        Raises ClientError.
        """
        perform = self._operations.get(operation)
        if perform is None:
            raise unimplemented(operation)
        try:
            return perform(request)
        except Refused as refused:
            raise refused.client_error(operation) from None

    def rows(self, table: str) -> list[Item]:
        """Copies of all items of a table, sorted by their keys.

        table: its logical name.
        """
        return [attribute_values.copy(row.item) for row in self._by_name[table].rows.all()]

    def shared_rows(self, table: str) -> list[Item]:
        """All items of a table, sorted by their keys.

        They must not be changed. An item that was not written since is the same object. table: its logical name.
        """
        return [row.item for row in self._by_name[table].rows.all()]

    def load(self, table: str, items: Iterable[Mapping[str, Any]]) -> None:
        """Put items into a table.

        table: its logical name.
        """
        into = self._by_name[table]
        for item in items:
            accepted = attribute_values.accept(item)
            into.put(keys.of_item(into.table, accepted), into.checked_row(accepted))

    def observe(self, table: str, observer: Observer) -> None:
        """Call an observer after each change of an item of a table.

        table: its logical name.
        """
        self._by_name[table].observer = observer

    def partition(self, table: str, pk: str) -> list[Item]:
        """Items of a partition by sort key, which must not be changed.

        table: its logical name.
        """
        partition = self._by_name[table].rows.partition(pk)
        return [partition.rows[key].item for key in partition.order] if partition else []

    def item(self, table: str, pk: str, sk: str) -> Item | None:
        """One item, or None; it must not be changed.

        table: its logical name.
        """
        return self._by_name[table].get(Key(pk, sk))

    def changes(self, since: DatabaseSnapshot) -> Iterator[tuple[str, Key, Item | None]]:
        """Yield table, key and item of each write since a snapshot.

        None for one that was deleted.
        """
        for (name, table), before in zip(self._by_name.items(), since.tables, strict=True):
            for pk, sk, item in table.rows.changes(before.rows):
                yield name, Key(pk, sk), item

    def snapshot(self) -> DatabaseSnapshot:
        self._epoch.number += 1
        tables = tuple(table.snapshot() for table in self._by_name.values())
        return DatabaseSnapshot(tables, self._transactions.tokens)

    def restore(self, snapshot: DatabaseSnapshot) -> None:
        """Return to a snapshot of this database, any number of times."""
        self._epoch.number += 1
        for table, state in zip(self._by_name.values(), snapshot.tables, strict=True):
            table.restore(state)
        self._transactions.tokens = snapshot.tokens
