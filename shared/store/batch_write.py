"""BatchWriteItem: up to 25 puts or deletions a call.

Unprocessed ones are retried.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shared.store.throttling import Throttled

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud


# DynamoDB's limit for one BatchWriteItem.
BATCH = 25
# Seconds before unprocessed items are sent again; doubled each time, and multiplied by a random factor.
PAUSE = 0.1
TRIES = 8


def batch_write(cloud: Cloud, table: str, requests: Sequence[Any], done: str, *, patient: bool = True) -> None:
    """Send up to 25 put or delete requests. Raises Throttled.

    done: the participle for the error, "written". patient: through the bulk client, which no TenantGuard checks.
    """
    client = cloud.bulk if patient else cloud.dynamodb
    left: Any = {table: requests}
    for attempt in range(TRIES):
        left = client.batch_write_item(RequestItems=left).get("UnprocessedItems")
        if not left:
            return
        cloud.clock.sleep(PAUSE * 2**attempt * random.uniform(0.5, 1))
    raise Throttled(
        f"{len(left[table])} rows of {table} were not {done} in {TRIES} tries: DynamoDB accepts fewer writes. "
        "Run it again: completed writes are not repeated"
    )
