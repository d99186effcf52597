"""Write many new rows into a table.

25 a call, on a few threads, as fast as DynamoDB accepts them.

An existing row is left as it is, unless a job has quarantined it: the new row is its correction.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from shared.aws import attributes
from shared.store.batch_get import batch_get_rows
from shared.store.batch_write import BATCH, batch_write
from shared.store.keys import RowKey
from shared.store.record import FAULT
from shared.store.throttling import KEYS_AT_ONCE
from shared.tables import Table

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

LANES = 8
# Batches of a lane: one is being written, one waits.
WAITING = 2


class BulkWriter:
    """Context manager that writes the rows added to it.

    `with BulkWriter(...) as writer: writer.add(item)`.

    A key always takes the same lane (a thread), and a lane is in order: the first row of a key wins, also within one
    block. The write has no condition after the read of existing rows: use it for rows that no other process creates.
    Raises Throttled.
    """

    #: Rows written.
    written: int
    #: Rows that existed already.
    there: int

    def __init__(self, cloud: Cloud, table: Table, lanes: int = LANES) -> None:
        self.cloud = cloud
        self.table = table
        self.name = cloud.names.table(table.name)
        self.written = 0
        self.there = 0
        self._rest: list[dict[RowKey, Any]] = [{} for _ in range(lanes)]
        self._running: list[deque[Future[tuple[int, int]]]] = [deque() for _ in range(lanes)]

    def __enter__(self) -> BulkWriter:
        self._pools = [ThreadPoolExecutor(1, f"writer-{number}") for number in range(len(self._rest))]
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                for lane in range(len(self._rest)):
                    self._send(lane)
                for running in self._running:
                    while running:
                        self._collect(running)
        finally:
            for pool in self._pools:
                pool.shutdown(wait=kind is None or issubclass(kind, Exception), cancel_futures=True)

    def add(self, item: Mapping[str, Any]) -> None:
        """Add a row, as plain data."""
        key = RowKey(item[self.table.pk], item[self.table.sk])
        lane = zlib.crc32("#".join(key).encode()) % len(self._rest)
        if key in self._rest[lane]:
            self.there += 1
            return
        self._rest[lane][key] = attributes.row(item)
        if len(self._rest[lane]) == KEYS_AT_ONCE:
            self._send(lane)

    def _send(self, lane: int) -> None:
        items, self._rest[lane] = self._rest[lane], {}
        if not items:
            return
        running = self._running[lane]
        while len(running) >= WAITING:
            self._collect(running)
        running.append(self._pools[lane].submit(self._write, items))

    def _collect(self, running: deque[Future[tuple[int, int]]]) -> None:
        written, there = running.popleft().result()
        self.written += written
        self.there += there

    def _write(self, items: Mapping[RowKey, Any]) -> tuple[int, int]:
        standing = self._standing(items)
        new = [item for key, item in items.items() if key not in standing]
        for start in range(0, len(new), BATCH):
            requests = [{"PutRequest": {"Item": item}} for item in new[start : start + BATCH]]
            batch_write(self.cloud, self.name, requests, "written")
        return len(new), len(items) - len(new)

    def _standing(self, keys: Iterable[RowKey]) -> set[RowKey]:
        """The keys that have a row without a fault."""
        pk, sk = self.table.pk, self.table.sk
        rows = batch_get_rows(self.cloud, self.table, keys, attributes_read=(pk, sk, FAULT))
        return {RowKey(row[pk], row[sk]) for row in rows if FAULT not in row}
