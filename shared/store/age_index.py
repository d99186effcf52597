"""Rows by age: those of a table that are old enough, read page by page through an index, never by a scan."""

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
from shared.store.batch_get import batch_get_rows
from shared.store.keys import RowKey
from shared.tables import Index, Table

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Few enough that a page of every partition fits into memory, whatever the size of a row's keys.
PAGE = 500
# Partitions whose first pages are read at once, and pages read ahead.
READERS = 4
AHEAD = 2
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z", re.ASCII)
LENGTH = len("2026-11-21T22:05:00.123Z")
# Later than any text that begins with the same instant: sort keys may go on after it, as in `<instant>#<id>`.
END = "~"
UNTIL = "#partition = :partition AND #since <= :until"
BETWEEN = "#partition = :partition AND #since BETWEEN :after AND :until"
NOTHING: Mapping[str, Any] = {}


class Row(NamedTuple):
    """A row's key, the partition it was found in, the sort key it was found at, and what was read of it."""

    pk: str
    sk: str
    partition: str
    since: str
    item: Mapping[str, Any]

    @property
    def key(self) -> RowKey:
        return RowKey(self.pk, self.sk)

    @property
    def dated(self) -> bool:
        """Whether `since` begins with an instant; age cannot be told from anything else."""
        return begins_with_timestamp(self.since)


def begins_with_timestamp(text: str) -> bool:
    """As `clock.iso` writes it, and one that there is: not February 30."""
    return TIMESTAMP.match(text) is not None and _there_is(text[:10])


# Rows come by age, thousands of the same day; to parse each instant was a twentieth of a purge's CPU.
@lru_cache(maxsize=1024)
def _there_is(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class AgeIndex:
    """Where rows are found by age: an index, or without one the table's own key, whose sort key begins with an instant.

    reads: attributes to read along; an index must include them.
    """

    table: Table
    index: Index | None
    reads: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, str]:
        """Names of the partition's and the instant's attributes."""
        return (self.index.pk, self.index.sk) if self.index else (self.table.pk, self.table.sk)

    def row(self, item: Mapping[str, Any], partition: str) -> Row:
        """From an item as the index has it, found in that partition. Keys are text; the rest is what `reads` asks for.

        A purge spends a third of its CPU on reading: so nothing is read or unpacked here that nobody looks at.
        """
        pk, sk, since = item[self.table.pk]["S"], item[self.table.sk]["S"], item[self.keys[1]]["S"]
        kept = {name: attributes.unpack(item[name]) for name in self.reads if name in item} if self.reads else NOTHING
        return Row(pk, sk, partition, since, kept)

    def whole(self, item: Mapping[str, Any]) -> Row:
        """Row from all attributes of an item, as plain data."""
        partition, since = self.keys
        return Row(item[self.table.pk], item[self.table.sk], item.get(partition, ""), item.get(since, ""), item)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a partition, and where to go on; None at its end."""

    partition: str
    rows: list[Row]
    more: Any


class ExpiredRows:
    """The rows of some partitions that are as old as `until` or older: the eldest first in each, partitions in turn.

    after: only those that are younger than this instant; empty is all.

    A partition's deletions all fall on one partition of the index, which takes 1,000 writes a second: hence in turn.
    """

    def __init__(self, cloud: Cloud, source: AgeIndex, partitions: Sequence[str], until: str, after: str = "") -> None:
        self.cloud = cloud
        self.source = source
        self.partitions = partitions
        self.span = {":until": until + END, **({":after": after + END} if after else {})}
        partition, since = source.keys
        read = dict.fromkeys((source.table.pk, source.table.sk, since, *source.reads))
        self.names = {f"#{number}": name for number, name in enumerate(read)}
        self.shown = ", ".join(self.names)
        self.keys = {"#partition": partition, "#since": since}
        self._first: list[Page] | None = None

    def glance(self) -> tuple[int, bool]:
        """How many rows the first page of each partition has, and whether there are more. `rows` begins with these."""
        pages = self._pages()
        return sum(len(page.rows) for page in pages), any(page.more for page in pages)

    def size(self, most: int) -> int:
        """How many rows there are; where they are more than `most`, any number above it.

        What the first pages do not show is counted by the megabyte.
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
                # A deadline that ends this run ends its threads too, at their next page.
                most = -1
        return counted

    def rows(self) -> Iterator[Row]:
        """Each once, with the next pages read while these are worked on."""
        pages, ahead, later = deque(self._pages()), deque[Future[Page]](), deque[tuple[str, Any]]()
        # Not kept: they would stay in memory while all the others go by.
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
        found = [self.source.row(item, partition) for item in answer["Items"]]
        return Page(partition, found, answer.get("LastEvaluatedKey"))

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
    """Joined at the end of the block; not waited for where a failure or a deadline ends it."""
    pool = ThreadPoolExecutor(width, "aged")
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def read_full_rows(cloud: Cloud, source: AgeIndex, rows: Iterable[Row]) -> Iterator[Row]:
    """Read the same rows with all their attributes; a row that is gone or has moved in the index is left out."""
    wanted = {row.key: row for row in rows}
    items = {row.key: row for row in map(source.whole, batch_get_rows(cloud, source.table, wanted))}
    for key, before in wanted.items():
        now = items.get(key)
        if now and (now.partition, now.since) == (before.partition, before.since):
            yield now
