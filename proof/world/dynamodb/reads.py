"""GetItem and BatchGetItem."""

from __future__ import annotations

from typing import Any

from proof.world.dynamodb import attribute_values, keys, paths
from proof.world.dynamodb.attribute_values import Item
from proof.world.dynamodb.errors import invalid
from proof.world.dynamodb.requests import NAMES, Expressions, Request, Tables, check_parameters, table_of

READ = frozenset(("ConsistentRead", "ProjectionExpression", NAMES))
GET_ITEM = READ | {"TableName", "Key"}
BATCH_OF_TABLE = READ | {"Keys"}
MOST_KEYS = 100
MAX_ANSWER = 16 * 1024 * 1024
DUPLICATES = "Provided list of item keys contains duplicates"


def get_item(tables: Tables, request: Request) -> dict[str, Any]:
    check_parameters("GetItem", request, GET_ITEM)
    table = table_of(tables, request)
    wanted = None
    if NAMES in request or "ProjectionExpression" in request:
        expressions = Expressions(request)
        wanted = expressions.projection(request)
        expressions.end()
    item = table.get(keys.of_key(table.table, request["Key"]))
    if item is None:
        return {}
    return {"Item": paths.project(item, wanted) if wanted else attribute_values.copy(item)}


def batch_get_item(tables: Tables, request: Request) -> dict[str, Any]:
    """Items in the order of their keys.

    Keys of items beyond 16 MB are unprocessed.
    """
    check_parameters("BatchGetItem", request, frozenset(("RequestItems",)))
    batches = request["RequestItems"]
    if sum(len(of_table["Keys"]) for of_table in batches.values()) > MOST_KEYS:
        raise invalid("Too many items requested for the BatchGetItem call")
    if not batches or not all(of_table["Keys"] for of_table in batches.values()):
        raise invalid(_too_short(batches))
    answers: dict[str, list[Item]] = {}
    unprocessed: dict[str, Any] = {}
    space = MAX_ANSWER
    for name, of_table in batches.items():
        found, left, space = _batch(tables, name, of_table, space)
        answers[name] = found
        if left:
            unprocessed[name] = {**of_table, "Keys": left}
    return {"Responses": answers, "UnprocessedKeys": unprocessed}


def _batch(tables: Tables, name: str, of_table: Request, space: int) -> tuple[list[Item], list[Any], int]:
    """Read the items of one table.

    Returns them, the keys that are left, and the bytes that are left for other tables.
    """
    check_parameters("BatchGetItem", of_table, BATCH_OF_TABLE)
    table = table_of(tables, {"TableName": name})
    expressions = Expressions(of_table)
    wanted = expressions.projection(of_table)
    expressions.end()
    batch = [keys.of_key(table.table, key) for key in of_table["Keys"]]
    if len(set(batch)) < len(batch):
        raise invalid(DUPLICATES)
    found: list[Item] = []
    for number, key in enumerate(batch):
        row = table.rows.get(key.pk, key.sk)
        if row is None:
            continue
        if row.size > space:
            return found, list(of_table["Keys"][number:]), 0
        space -= row.size
        found.append(paths.project(row.item, wanted) if wanted else attribute_values.copy(row.item))
    return found, [], space


def _too_short(batches: Request) -> str:
    failed = f"Value '{dict(batches)}' at 'requestItems' failed to satisfy constraint"
    return f"1 validation error detected: {failed}: Member must have length greater than or equal to 1"
