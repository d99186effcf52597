"""Delete many rows of a table.

25 a call, on a few threads, as fast as DynamoDB accepts them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from shared.aws import attributes
from shared.store import table as gateway
from shared.store.age_index import Row
from shared.store.batch_write import BATCH, batch_write
from shared.tables import Table

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Attribute of a row whose dependents are being deleted; other jobs leave such a row alone.
DELETING = "going"
WIDTH = 16
# Rows whose dependents are deleted together: S3's limit for one DeleteObjects, if each row has one object.
GROUP = 1000
# Batches that wait for a thread: enough to keep all threads busy while the next page is read; more would cost memory.
WAITING = 2 * WIDTH


class BulkDeleter:
    """Context manager that deletes the rows added to it.

    `with BulkDeleter(...) as deleter: deleter.add(rows)`.

    guards: attributes that must be as they were read, else the row stays. That takes a call for each row, since a batch
    has no conditions; without guards each call deletes 25 rows, except the last one.
    before_batch: called with up to GROUP rows before they are deleted: deletes their dependents, whose calls take that
    many. With guards a row is marked with DELETING before that, in one more call, so that no job uses a row without
    them.
    Raises Throttled. An exception in the block ends it without the rows that wait.
    """

    #: Rows deleted, or missing already.
    gone: int
    #: Rows that had changed, or were taken by another job.
    moved: int

    def __init__(
        self,
        cloud: Cloud,
        table: Table,
        guards: Sequence[str] = (),
        before_batch: Callable[[Sequence[Row]], None] | None = None,
    ) -> None:
        self.cloud = cloud
        self.table = table
        self.guards = tuple(guards)
        self.before_batch = before_batch
        self.gone = 0
        self.moved = 0
        self._rest: list[Row] = []
        self._running: deque[Future[tuple[int, int]]] = deque()

    def __enter__(self) -> BulkDeleter:
        self._pool = ThreadPoolExecutor(WIDTH, "bulk-delete")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._send(self._rest)
                while self._running:
                    self._collect()
        finally:
            # Waiting batches are cancelled; past the deadline there is no time to wait for running ones either.
            self._pool.shutdown(wait=kind is None or issubclass(kind, Exception), cancel_futures=True)

    def add(self, rows: Iterable[Row]) -> None:
        size = GROUP if self.before_batch else BATCH
        self._rest.extend(rows)
        while len(self._rest) >= size:
            self._send(self._rest[:size])
            del self._rest[:size]

    def _send(self, rows: Sequence[Row]) -> None:
        if self.before_batch and rows:
            rows = self._marked(rows)
            self.before_batch(rows)
        delete = self._delete_each if self.guards else self._delete_all
        for start in range(0, len(rows), BATCH):
            while len(self._running) >= WAITING:
                self._collect()
            self._running.append(self._pool.submit(delete, tuple(rows[start : start + BATCH])))

    def _marked(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows that this deletion has taken; without guards all of them."""
        if not self.guards:
            return rows
        taken = [row for row, marked in zip(rows, self._pool.map(self._mark, rows), strict=True) if marked]
        self.moved += len(rows) - len(taken)
        return taken

    def _collect(self) -> None:
        gone, moved = self._running.popleft().result()
        self.gone += gone
        self.moved += moved

    def _delete_all(self, batch: Sequence[Row]) -> tuple[int, int]:
        return delete_rows(self.cloud, self.table, [row.key for row in batch]), 0

    def _delete_each(self, batch: Sequence[Row]) -> tuple[int, int]:
        gone = sum(self._delete(row) for row in batch)
        return gone, len(batch) - gone

    def _delete(self, row: Row) -> bool:
        # A missing row counts as deleted: a repetition after a lost reply finds it missing.
        condition = f"attribute_not_exists(#key) OR ({self._unchanged(row)})"
        names, values = self._names(), self._values(row)
        return gateway.delete(
            self.cloud, self.table, row.key, condition=condition, names=names, values=values, patient=True
        )

    def _mark(self, row: Row) -> bool:
        return gateway.update_if(
            self.cloud,
            self.table,
            row.key,
            "SET #deleting = :deleting",
            {**self._values(row), ":deleting": True},
            f"attribute_exists(#key) AND {self._unchanged(row)}",
            names={**self._names(), "#deleting": DELETING},
            patient=True,
        )

    def _unchanged(self, row: Row) -> str:
        values = self._values(row)
        parts = (
            f"#{name} = :{name}" if f":{name}" in values else f"attribute_not_exists(#{name})" for name in self.guards
        )
        return " AND ".join(parts)

    def _names(self) -> dict[str, str]:
        return {"#key": self.table.pk, **{f"#{name}": name for name in self.guards}}

    def _values(self, row: Row) -> dict[str, Any]:
        return {f":{name}": row.item[name] for name in self.guards if row.item.get(name) is not None}


def delete_rows(cloud: Cloud, table: Table, keys: Iterable[tuple[str, str]]) -> int:
    """Delete rows by partition and sort key, and return how many.

    25 rows a call. Raises Throttled.
    """
    # A row that moves in its index while that is read can be found twice, and no batch takes a key twice.
    unique = list(dict.fromkeys(keys))
    for start in range(0, len(unique), BATCH):
        requests = [
            {"DeleteRequest": {"Key": attributes.row({table.pk: pk, table.sk: sk})}}
            for pk, sk in unique[start : start + BATCH]
        ]
        batch_write(cloud, cloud.names.table(table.name), requests, "deleted")
    return len(unique)
