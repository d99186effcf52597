"""BatchWriteItem with retries."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shared.store.throttling import Throttled

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud


# DynamoDB's limit for one BatchWriteItem.
BATCH = 25
# What the table would not take is sent again after so many seconds, doubled each time and shortened by chance.
PAUSE = 0.1
TRIES = 8


def batch_write(cloud: Cloud, table: str, requests: Sequence[Any], done: str) -> None:
    """Up to 25 requests of a batch. done: what becomes of a row. Raises Slow."""
    left: Any = {table: requests}
    for attempt in range(TRIES):
        left = cloud.bulk.batch_write_item(RequestItems=left).get("UnprocessedItems")
        if not left:
            return
        cloud.clock.sleep(PAUSE * 2**attempt * random.uniform(0.5, 1))
    raise Throttled(
        f"{len(left[table])} rows of {table} were not {done} in {TRIES} tries; it takes fewer writes than are sent. "
        "Run it again: what is done stays done"
    )
