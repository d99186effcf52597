"""Query the rows older than a cutoff through the age index.

Page by page; never scans.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.aws import attributes
from shared.store import key_range
from shared.store.batch_get import batch_get_rows
from shared.store.keys import RowKey
from shared.tables import Index, Table

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Rows of a page: a page of every partition fits into memory with keys of any size.
PAGE = 500
# Partitions whose first pages are read concurrently, and pages that are read ahead.
READERS = 4
AHEAD = 2
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z", re.ASCII)
LENGTH = len("2026-11-21T22:05:00.123Z")
# Sorts after any text that begins with the same timestamp: a sort key may continue, as in `<timestamp>#<id>`.
END = "~"
UNTIL = "#partition = :partition AND #since <= :until"
BETWEEN = "#partition = :partition AND #since BETWEEN :after AND :until"
NOTHING: Mapping[str, Any] = {}


class Row(NamedTuple):
    """A row, found through an index."""

    pk: str
    sk: str
    #: Partition key in the index.
    partition: str
    #: Sort key in the index.
    since: str
    #: Attributes that were read.
    item: Mapping[str, Any]

    @property
    def key(self) -> RowKey:
        return RowKey(self.pk, self.sk)

    @property
    def dated(self) -> bool:
        """Whether `since` begins with a timestamp.

        A row without one has no age.
        """
        return begins_with_timestamp(self.since)


def begins_with_timestamp(text: str) -> bool:
    """Whether text begins with a timestamp as `clock.iso` writes it.

    Its day must exist (not February 30).
    """
    return TIMESTAMP.match(text) is not None and _exists(text[:10])


# Rows are read by age, thousands of the same day: parsing each timestamp was a twentieth of a purge's CPU.
@lru_cache(maxsize=1024)
def _exists(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class AgeIndex:
    """Source of rows by age: an index, or a table.

    The sort key of such a table begins with a timestamp.
    """

    table: Table
    #: None for the table's own key.
    index: Index | None
    #: Attributes to read besides the keys; an index must include them.
    reads: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, str]:
        """Names of the attributes of the partition and of the timestamp."""
        return (self.index.pk, self.index.sk) if self.index else (self.table.pk, self.table.sk)

    def row(self, item: Mapping[str, Any], partition: str) -> Row:
        """Row from an item of the index, with the attributes of `reads`.

        A purge spends a third of its CPU on reading, so no other attribute is unpacked.
        """
        pk, sk, since = item[self.table.pk]["S"], item[self.table.sk]["S"], item[self.keys[1]]["S"]
        item_read = (
            {name: attributes.unpack(item[name]) for name in self.reads if name in item} if self.reads else NOTHING
        )
        return Row(pk, sk, partition, since, item_read)

    def whole(self, item: Mapping[str, Any]) -> Row:
        """Row from all attributes of an item, as plain data."""
        partition, since = self.keys
        return Row(item[self.table.pk], item[self.table.sk], item.get(partition, ""), item.get(since, ""), item)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a partition."""

    partition: str
    rows: list[Row]
    #: `ExclusiveStartKey` of the next page; None after the last one.
    more: Any


class ExpiredRows:
    """Rows of some partitions up to the timestamp `until`.

    Rows of exactly `until` are included, oldest first within each partition.

    after: only rows younger than this timestamp; empty for all. Partitions are read in turn: deletions of one partition
    all write to one partition of the index, which takes 1,000 writes a second.
    """

    def __init__(self, cloud: Cloud, source: AgeIndex, partitions: Sequence[str], until: str, after: str = "") -> None:
        self.cloud = cloud
        self.source = source
        self.span = {":until": until + END, **({":after": after + END} if after else {})}
        self.partitions = () if key_range.is_empty(BETWEEN if after else UNTIL, self.span) else partitions
        partition, since = source.keys
        read = dict.fromkeys((source.table.pk, source.table.sk, since, *source.reads))
        self.names = {f"#{number}": name for number, name in enumerate(read)}
        self.shown = ", ".join(self.names)
        self.keys = {"#partition": partition, "#since": since}
        self._first: list[Page] | None = None

    def glance(self) -> tuple[int, bool]:
        """Count the first page of each partition, and whether more follows.

        `rows` begins with these.
        """
        pages = self._pages()
        return sum(len(page.rows) for page in pages), any(page.more for page in pages)

    def size(self, most: int) -> int:
        """Count the rows, exactly up to `most`.

        If there are more, any number above it is returned.

        Rows beyond the first pages are counted by queries that return no items, a megabyte each.
        """
        counted, lock = self.glance()[0], threading.Lock()

        def count(page: Page) -> None:
            nonlocal counted
            more = page.more
            while more and counted <= most:
                answer = self._query(page.partition, more, {}, Select="COUNT")
                more = answer.get("LastEvaluatedKey")
                with lock:
                    counted += answer["Count"]

        with threads(READERS) as pool:
            try:
                list(pool.map(count, self._pages()))
            finally:
                # A deadline that ends this run also ends its threads, at their next page.
                most = -1
        return counted

    def rows(self) -> Iterator[Row]:
        """Yield each row once, while the next pages are read ahead."""
        pages, ahead, later = deque(self._pages()), deque[Future[Page]](), deque[tuple[str, Any]]()
        # Released, so that they do not stay in memory while the others are read.
        self._first = None
        with threads(AHEAD) as pool:
            while pages or ahead:
                page = pages.popleft() if pages else ahead.popleft().result()
                if page.more:
                    later.append((page.partition, page.more))
                while later and len(pages) + len(ahead) < AHEAD:
                    ahead.append(pool.submit(self._page, *later.popleft()))
                yield from page.rows

    def _pages(self) -> list[Page]:
        if self._first is None:
            with threads(READERS) as pool:
                self._first = list(pool.map(self._page, self.partitions))
        return self._first

    def _page(self, partition: str, start: Any = None) -> Page:
        answer = self._query(partition, start, self.names, Limit=PAGE, ProjectionExpression=self.shown)
        rows = [self.source.row(item, partition) for item in answer["Items"]]
        return Page(partition, rows, answer.get("LastEvaluatedKey"))

    def _query(self, partition: str, start: Any, names: Mapping[str, str], **rest: Any) -> Mapping[str, Any]:
        if self.source.index:
            rest["IndexName"] = self.source.index.name
        if start:
            rest["ExclusiveStartKey"] = start
        return self.cloud.bulk.query(
            TableName=self.cloud.names.table(self.source.table.name),
            KeyConditionExpression=BETWEEN if ":after" in self.span else UNTIL,
            ExpressionAttributeNames={**self.keys, **names},
            ExpressionAttributeValues=attributes.row({":partition": partition, **self.span}),
            **rest,
        )


@contextmanager
def threads(width: int) -> Iterator[ThreadPoolExecutor]:
    """Thread pool that is joined at the end of the block.

    It is not joined after an exception or a deadline.
    """
    pool = ThreadPoolExecutor(width, "age-index")
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def read_full_rows(cloud: Cloud, source: AgeIndex, rows: Iterable[Row]) -> Iterator[Row]:
    """Read the same rows with all their attributes.

    A row that is gone or has moved in the index is left out.
    """
    wanted = {row.key: row for row in rows}
    items = {row.key: row for row in map(source.whole, batch_get_rows(cloud, source.table, wanted))}
    for key, before in wanted.items():
        now = items.get(key)
        if now and (now.partition, now.since) == (before.partition, before.since):
            yield now
