"""Seed the mail product: sample users with rows for every job."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from functions.mail._sample_users import message, person
from shared.aws.cloud import Cloud

# Users whose messages are uploaded concurrently; bounds the memory.
AT_ONCE = 50
WIDTH = 8


def seed(cloud: Cloud, count: int, number: int = 1) -> dict[str, int]:
    """Create the users 0 to count - 1 of a seed.

    Existing rows stay. Returns the number of rows by table.
    """
    # Imported lazily: the jobs of this folder do not need them.
    from shared.product.records.by_table import KINDS
    from shared.store.bulk_put import BulkWriter

    now = cloud.clock.now()
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(WIDTH, "seed"))
        writers = {name: stack.enter_context(BulkWriter(cloud, kind.table, lanes=1)) for name, kind in KINDS.items()}
        for start in range(0, count, AT_ONCE):
            some = range(start, min(start + AT_ONCE, count))
            lines = [line for each in some for line in person(number, each, now)]
            # Before the rows, which name these objects.
            for _ in pool.map(lambda put: cloud.s3.put_object(**put), list(_objects(cloud, lines))):
                pass
            for table, line in lines:
                writers[table].add(KINDS[table].read(line, now).item())
    return {name: writer.written for name, writer in writers.items()}


def _objects(cloud: Cloud, lines: list[tuple[str, dict[str, Any]]]) -> Iterator[Any]:
    for _, line in lines:
        if "raw" in line:
            yield {"Bucket": cloud.names.bucket, "Key": line["raw"], "Body": message(line)}
