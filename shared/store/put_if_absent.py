"""Create rows once, however often the write is repeated.

A repetition after a crash or at the next tick changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.store import table
from shared.store.transaction import Put

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.store.record import Record


def put_arguments(record: Record) -> Put:
    """Arguments of a put for a transaction.

    Use it where the row must be created together with another write.
    """
    return Put(record.table, record.item(), condition=f"attribute_not_exists({record.table.pk})")


def put_if_absent(cloud: Cloud, put: Put) -> bool:
    """Create the row in a write of its own.

    False if it exists already.
    """
    return table.put_if_absent(cloud, put.table, put.item)
