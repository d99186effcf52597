"""Rows by age: those of a table that are old enough, read page by page through an index, never by a scan."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from shared import clock, rows
from shared.tables import Index, Table

if TYPE_CHECKING:
    from shared.cloud import Cloud

# Few enough that a page of every partition fits into memory, whatever the size of a row's keys.
PAGE = 500
# DynamoDB's limit for one BatchGetItem.
KEYS_AT_ONCE = 100
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
LENGTH = len("2026-11-21T22:05:00.123Z")
# Later than any text that begins with the same instant: sort keys may go on after it, as in `<instant>#<id>`.
END = "~"
TRIES = 6


class Row(NamedTuple):
    """A row's key, the partition it was found in, the sort key it was found at, and what was read of it."""

    pk: str
    sk: str
    partition: str
    since: str
    item: Mapping[str, Any]

    @property
    def dated(self) -> bool:
        """Whether `since` begins with an instant as `clock.iso` writes it; age cannot be told from anything else."""
        if not INSTANT.match(self.since):
            return False
        try:
            clock.parse(self.since[:LENGTH])
        except ValueError:
            return False
        return True


class Slow(Exception):
    """The store gave no answer for some of what was asked, time and again."""


@dataclass(frozen=True, slots=True)
class Source:
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

    def row(self, item: Mapping[str, Any]) -> Row:
        partition, since = self.keys
        return Row(item[self.table.pk], item[self.table.sk], item.get(partition, ""), item.get(since, ""), item)


class Aged:
    """The rows of some partitions that are as old as `until` or older: the eldest first in each, partitions in turn.

    A partition's deletions all fall on one partition of the index, which takes 1,000 writes a second: hence in turn.
    """

    def __init__(self, cloud: Cloud, source: Source, partitions: Sequence[str], until: str) -> None:
        self.cloud = cloud
        self.source = source
        self.partitions = partitions
        self.until = until
        partition, since = source.keys
        read = dict.fromkeys((source.table.pk, source.table.sk, partition, since, *source.reads))
        self.names = {f"#{number}": name for number, name in enumerate(read)}
        self.spelt = {name: short for short, name in self.names.items()}
        self._first: list[tuple[str, list[Row], Any]] | None = None

    def glance(self) -> tuple[int, bool]:
        """How many rows the first page of each partition has, and whether there are more. `rows` begins with these."""
        pages = self._pages()
        return sum(len(page) for _, page, _ in pages), any(more for _, _, more in pages)

    def size(self, most: int) -> int:
        """How many rows there are; where they are more than `most`, any number above it.

        What the first pages do not show is counted by the megabyte.
        """
        counted, _ = self.glance()
        for partition, _, more in self._pages():
            while more and counted <= most:
                answer = self._query(partition, more, Select="COUNT")
                counted += answer["Count"]
                more = answer.get("LastEvaluatedKey")
        return counted

    def rows(self) -> Iterator[Row]:
        turn = deque(self._pages())
        # Not kept: memory would grow by a page for each partition.
        self._first = None
        while turn:
            partition, page, more = turn.popleft()
            yield from page
            if more:
                turn.append(self._page(partition, more))

    def _pages(self) -> list[tuple[str, list[Row], Any]]:
        if self._first is None:
            self._first = [self._page(partition, None) for partition in self.partitions]
        return self._first

    def _page(self, partition: str, start: Any) -> tuple[str, list[Row], Any]:
        answer = self._query(partition, start, Limit=PAGE, ProjectionExpression=", ".join(self.names))
        page = [self.source.row(rows.plain(item)) for item in answer["Items"]]
        return partition, page, answer.get("LastEvaluatedKey")

    def _query(self, partition: str, start: Any, **rest: Any) -> Mapping[str, Any]:
        pk, sk = (self.spelt[name] for name in self.source.keys)
        used = self.names if "ProjectionExpression" in rest else {short: self.names[short] for short in (pk, sk)}
        if self.source.index:
            rest["IndexName"] = self.source.index.name
        if start:
            rest["ExclusiveStartKey"] = start
        return self.cloud.bulk.query(
            TableName=self.cloud.names.table(self.source.table.name),
            KeyConditionExpression=f"{pk} = :partition AND {sk} <= :until",
            ExpressionAttributeNames=used,
            ExpressionAttributeValues=rows.row({":partition": partition, ":until": self.until + END}),
            **rest,
        )


def in_full(cloud: Cloud, source: Source, found: Iterable[Row]) -> Iterator[Row]:
    """The same rows with all their attributes, as they stand now; one that is gone or has moved since is left out."""
    table = cloud.names.table(source.table.name)
    wanted = {(row.pk, row.sk): row for row in found}
    keys = [rows.row({source.table.pk: pk, source.table.sk: sk}) for pk, sk in wanted]
    items: dict[tuple[str, str], Row] = {}
    for start in range(0, len(keys), KEYS_AT_ONCE):
        for item in _items(cloud, table, keys[start : start + KEYS_AT_ONCE]):
            row = source.row(rows.plain(item))
            items[row.pk, row.sk] = row
    for key, before in wanted.items():
        now = items.get(key)
        if now and (now.partition, now.since) == (before.partition, before.since):
            yield now


def _items(cloud: Cloud, table: str, keys: Any) -> Iterator[Any]:
    for attempt in range(TRIES):
        answer = cloud.bulk.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
        yield from answer["Responses"].get(table, [])
        keys = answer["UnprocessedKeys"].get(table, {"Keys": []})["Keys"]
        if not keys:
            return
        cloud.clock.sleep(0.05 * 2**attempt)
    raise Slow(f"{len(keys)} rows of {table} were not read in {TRIES} tries; the table is asked for more than it gives")
