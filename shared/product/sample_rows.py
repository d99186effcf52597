"""Sample rows of users, written with the objects that they name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.archetypes.purge import warnings

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.store.bulk_put import BulkWriter
    from shared.store.record import Record

# Rows whose objects are uploaded before they are written; bounds the memory.
AT_ONCE = 2000
WIDTH = 8


@dataclass(frozen=True, slots=True)
class SampleRow:
    """A record to write, as a line of a file for `load`."""

    table: str
    fields: Mapping[str, Any]
    #: Content of the objects that it names, by key.
    objects: Mapping[str, bytes] = field(default_factory=dict)
    #: When its owner was warned that it will be deleted. None: not yet.
    warned_at: datetime | None = None


def write(cloud: Cloud, rows: Iterable[SampleRow]) -> dict[str, int]:
    """Create the rows that do not exist.

    Returns their number by table. Raises InvalidRecord for fields that are not those of the table's record.
    """
    # Imported lazily, for pydantic: modules that jobs are found in import this one.
    from shared.product.records.by_table import KINDS
    from shared.store.bulk_put import BulkWriter

    rows, now = iter(rows), cloud.clock.now()
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(WIDTH, "objects"))
        writers: dict[str, BulkWriter] = {}
        while some := list(islice(rows, AT_ONCE)):
            objects = {key: body for row in some for key, body in row.objects.items()}
            # Before the rows, which name these objects.
            for _ in pool.map(lambda each: _upload(cloud, *each), objects.items()):
                pass
            for row in some:
                kind = KINDS[row.table]
                if row.table not in writers:
                    writers[row.table] = stack.enter_context(BulkWriter(cloud, kind.table, lanes=1))
                writers[row.table].add(_item(kind.read(row.fields, now), row.warned_at))
    return {name: writer.written for name, writer in writers.items()}


def _upload(cloud: Cloud, key: str, body: bytes) -> None:
    cloud.s3.put_object(Bucket=cloud.names.bucket, Key=key, Body=body)


def _item(record: Record, warned_at: datetime | None) -> dict[str, Any]:
    """Convert to a row, in its place once its owner was warned."""
    item = record.item()
    if warned_at is not None:
        index = next(index for index in record.table.indexes if index.name == "aged")
        item |= {index.pk: warnings.partition(item[index.pk]), index.sk: clock.iso(warned_at)}
    return item
