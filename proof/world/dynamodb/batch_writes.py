"""BatchWriteItem."""

from __future__ import annotations

from typing import Any

from proof.world.dynamodb import attribute_values, keys
from proof.world.dynamodb.errors import invalid
from proof.world.dynamodb.keys import Key
from proof.world.dynamodb.memory_table import MemoryTable
from proof.world.dynamodb.partitions import Row
from proof.world.dynamodb.reads import DUPLICATES
from proof.world.dynamodb.requests import Request, Tables, check_parameters, table_of

MOST_WRITES = 25


def batch_write_item(tables: Tables, request: Request) -> dict[str, Any]:
    """Put and delete items. An invalid one refuses the batch."""
    check_parameters("BatchWriteItem", request, frozenset(("RequestItems",)))
    batches = request["RequestItems"]
    number = sum(map(len, batches.values()))
    if number > MOST_WRITES or not batches or not all(batches.values()):
        raise invalid(_wrong_length(number))
    writes = [
        (table, *_write(table, write))
        for name, of_table in batches.items()
        for table in (table_of(tables, {"TableName": name}),)
        for write in of_table
    ]
    if len({(table.name, key) for table, key, _ in writes}) < len(writes):
        raise invalid(DUPLICATES)
    for table, key, row in writes:
        if row:
            table.put(key, row)
        else:
            table.delete(key)
    return {"UnprocessedItems": {}}


def _write(table: MemoryTable, write: Request) -> tuple[Key, Row | None]:
    """The key of a write, and the row, if it puts one."""
    match write:
        case {"PutRequest": {"Item": item}, **rest} if not rest:
            accepted = attribute_values.accept(item)
            return keys.of_item(table.table, accepted), table.checked_row(accepted)
        case {"DeleteRequest": {"Key": key}, **rest} if not rest:
            return keys.of_key(table.table, key), None
    raise invalid(
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
    )


def _wrong_length(number: int) -> str:
    failed = "Value at 'requestItems' failed to satisfy constraint"
    if number > MOST_WRITES:
        most = f"Member must have length less than or equal to {MOST_WRITES}"
        return f"1 validation error detected: {failed}: Map value must satisfy constraint: [{most}]"
    return f"1 validation error detected: {failed}: Member must have length greater than or equal to 1"
