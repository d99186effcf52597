"""Deletes rows of a table as fast as it takes them: 25 a call, on a few threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from shared.aws import attributes
from shared.store.age_index import Row
from shared.store.batch_write import BATCH, batch_write
from shared.tables import Table

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# What is set on a row whose hanging things are being deleted: whoever wants it for something else leaves it be.
DELETING = "going"
WIDTH = 16
# Batches that wait for a thread: enough to keep all busy while the next page is read, and no more, for memory's sake.
WAITING = 2 * WIDTH


class BulkDeleter:
    """`with BulkDeleter(...) as eraser: eraser.add(rows)`; what was added is deleted when the block ends.

    holds: attributes that a row must still have as they were read, or it stays. That takes a call for each row, as no
    batch carries conditions. Without it a call is made for 25 rows, and never for fewer until the end.
    first: called with each batch, from several threads, before its rows go: to delete what hangs on them. A row that is
    held is marked `going` before that, in a call more, so that nobody takes up again what has lost a part already.
    gone: rows deleted, or found to be gone already. moved: rows that had changed, or were taken by somebody else.
    Raises Slow where the table will not take them; what a block raises ends it without the rows that wait.
    """

    def __init__(
        self,
        cloud: Cloud,
        table: Table,
        holds: Sequence[str] = (),
        first: Callable[[Sequence[Row]], None] | None = None,
    ) -> None:
        self.cloud = cloud
        self.table = table
        self.name = cloud.names.table(table.name)
        self.holds = tuple(holds)
        self.first = first
        self.gone = 0
        self.moved = 0
        self._rest: list[Row] = []
        self._running: deque[Future[tuple[int, int]]] = deque()

    def __enter__(self) -> BulkDeleter:
        self._pool = ThreadPoolExecutor(WIDTH, "eraser")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._send(self._rest)
                while self._running:
                    self._settle()
        finally:
            # What waits is not begun any more; past the deadline nobody waits for what is on its way either.
            self._pool.shutdown(wait=kind is None or issubclass(kind, Exception), cancel_futures=True)

    def add(self, found: Iterable[Row]) -> None:
        self._rest.extend(found)
        while len(self._rest) >= BATCH:
            self._send(self._rest[:BATCH])
            del self._rest[:BATCH]

    def _send(self, batch: Sequence[Row]) -> None:
        if not batch:
            return
        while len(self._running) >= WAITING:
            self._settle()
        self._running.append(self._pool.submit(self._each if self.holds else self._all, tuple(batch)))

    def _settle(self) -> None:
        gone, moved = self._running.popleft().result()
        self.gone += gone
        self.moved += moved

    def _all(self, batch: Sequence[Row]) -> tuple[int, int]:
        if self.first:
            self.first(batch)
        # A row that moves in its index while that is read can be found twice, and no batch takes a key twice.
        keys = {(row.pk, row.sk): self._key(row) for row in batch}
        delete(self.cloud, self.name, list(keys.values()))
        return len(keys), 0

    def _each(self, batch: Sequence[Row]) -> tuple[int, int]:
        going = list(batch)
        if self.first:
            going = [row for row in batch if self._mark(row)]
            self.first(going)
        gone = 0
        for row in going:
            # A row that is gone is as good as deleted: a repeat after a lost reply counts it as such.
            condition = self._condition("attribute_not_exists(#key) OR ({held})", row)
            try:
                self.cloud.bulk.delete_item(TableName=self.name, Key=self._key(row), **condition)
                gone += 1
            except self.cloud.ConditionalCheckFailed:
                pass
        return gone, len(batch) - gone

    def _mark(self, row: Row) -> bool:
        condition = self._condition("attribute_exists(#key) AND {held}", row)
        names, values = condition["ExpressionAttributeNames"], condition.get("ExpressionAttributeValues", {})
        try:
            self.cloud.bulk.update_item(
                TableName=self.name,
                Key=self._key(row),
                UpdateExpression="SET #going = :going",
                ConditionExpression=condition["ConditionExpression"],
                ExpressionAttributeNames={**names, "#going": DELETING},
                ExpressionAttributeValues={**values, ":going": attributes.pack(True)},
            )
        except self.cloud.ConditionalCheckFailed:
            return False
        return True

    def _condition(self, form: str, row: Row) -> dict[str, Any]:
        held = {name: row.item[name] for name in self.holds if row.item.get(name) is not None}
        parts = (f"#{name} = :{name}" if name in held else f"attribute_not_exists(#{name})" for name in self.holds)
        condition: dict[str, Any] = {
            "ConditionExpression": form.format(held=" AND ".join(parts)),
            "ExpressionAttributeNames": {"#key": self.table.pk, **{f"#{name}": name for name in self.holds}},
        }
        if held:
            condition["ExpressionAttributeValues"] = attributes.row({f":{name}": value for name, value in held.items()})
        return condition

    def _key(self, row: Row) -> dict[str, Any]:
        return {self.table.pk: {"S": row.pk}, self.table.sk: {"S": row.sk}}


def delete(cloud: Cloud, table: str, keys: Sequence[Any]) -> None:
    """Up to 25 rows of a table, by its physical name, in one call. Raises Slow where it will not take them."""
    batch_write(cloud, table, [{"DeleteRequest": {"Key": key}} for key in keys], "deleted")
