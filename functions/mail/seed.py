"""Something to do for every job of the mail product: made-up users with all that they have, as many as are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from functions.mail._sample_users import message, person
from shared.aws.cloud import Cloud
from shared.tables import MAIL

# Users whose messages are put into the bucket side by side; memory holds so many, and what waits for the tables.
AT_ONCE = 50
WIDTH = 8


def seed(cloud: Cloud, count: int, number: int = 1) -> dict[str, int]:
    """Make the users 0 to count - 1 of that number. What is there stays. Returns how many rows were made of what."""
    # Not with the jobs of this folder, which are started without.
    from shared.product.records.by_table import KINDS
    from shared.store.bulk_put import BulkWriter

    now = cloud.clock.now()
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(WIDTH, "seed"))
        writers = {table.name: stack.enter_context(BulkWriter(cloud, table, lanes=1)) for table in MAIL}
        for start in range(0, count, AT_ONCE):
            some = range(start, min(start + AT_ONCE, count))
            lines = [line for each in some for line in person(number, each, now)]
            # Before the rows: none of them names what isn't there.
            for _ in pool.map(lambda put: cloud.s3.put_object(**put), list(_objects(cloud, lines))):
                pass
            for table, line in lines:
                writers[table].add(KINDS[table].read(line, now).item())
    return {name: writer.written for name, writer in writers.items()}


def _objects(cloud: Cloud, lines: list[tuple[str, dict[str, Any]]]) -> Iterator[Any]:
    for _, line in lines:
        if "raw" in line:
            yield {"Bucket": cloud.names.bucket, "Key": line["raw"], "Body": message(line)}
