"""Rows that are put once: whoever puts one again, after a crash or at the next tick, changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.aws import attributes

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.store.record import Record


def put_arguments(cloud: Cloud, record: Record) -> Any:
    """Of PutItem: `{"Put": ...}` in a transaction, where the row must stand or fall with another."""
    table = record.table
    return {
        "TableName": cloud.names.table(table.name),
        "Item": attributes.row(record.item()),
        "ConditionExpression": f"attribute_not_exists({table.pk})",
    }


def put_if_absent(cloud: Cloud, arguments: Any) -> bool:
    """Write it by itself; False where it stands already."""
    try:
        cloud.dynamodb.put_item(**arguments)
    except cloud.ConditionalCheckFailed:
        return False
    return True
