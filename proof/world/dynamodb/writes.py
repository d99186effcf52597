"""PutItem, UpdateItem, DeleteItem, and the writes of a transaction.

A write is prepared, which checks all that does not depend on the stored item; then evaluated, which changes nothing;
then applied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from proof.world.dynamodb import attribute_values, keys, paths, updates
from proof.world.dynamodb.attribute_values import Item
from proof.world.dynamodb.conditions import CompiledCondition
from proof.world.dynamodb.errors import Refused, invalid, invalid_parameter
from proof.world.dynamodb.keys import Key
from proof.world.dynamodb.memory_table import MemoryTable
from proof.world.dynamodb.partitions import Row
from proof.world.dynamodb.requests import CONDITIONED, Expressions, Request, Tables, check_parameters, table_of
from proof.world.dynamodb.updates import CompiledUpdate

RETURNED = ("ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW")
CONDITION_FAILED = "The conditional request failed"
# Before it is checked.
NO_KEY = Key("", "")
PARAMETERS = {
    "PutItem": CONDITIONED | {"Item", "ReturnValues"},
    "UpdateItem": CONDITIONED | {"Key", "UpdateExpression", "ReturnValues"},
    "DeleteItem": CONDITIONED | {"Key", "ReturnValues"},
    "Put": CONDITIONED | {"Item"},
    "Update": CONDITIONED | {"Key", "UpdateExpression"},
    "Delete": CONDITIONED | {"Key"},
    "ConditionCheck": CONDITIONED | {"Key"},
}


class ConditionFailed(Exception):
    """The condition of a write does not hold.

    item: the stored item, where the request asks for it.
    """

    def __init__(self, item: Item | None) -> None:
        super().__init__(CONDITION_FAILED)
        self.item = item


@dataclass(slots=True, eq=False)
class Write:
    """One write of a request that is valid."""

    table: MemoryTable
    condition: CompiledCondition | None
    values: Item
    returns_old: bool
    #: What is put; None for the other kinds.
    item: Item | None = None
    update: CompiledUpdate | None = None
    is_update: bool = False
    deletes: bool = False
    #: `Key` of the request.
    key_attributes: Item | None = None
    key: Key = NO_KEY

    def check_key(self) -> None:
        """Check the item or the key against the table."""
        table = self.table.table
        if self.key_attributes is not None:
            self.key = keys.of_key(table, self.key_attributes)
        elif self.item is not None:
            self.key = keys.of_item(table, self.item)
        if self.update and (table.pk in self.update.names or table.sk in self.update.names):
            name = table.pk if table.pk in self.update.names else table.sk
            raise invalid_parameter(f"Cannot update attribute {name}. This attribute is part of the key")

    def old(self) -> Row | None:
        return self.table.rows.get(self.key.pk, self.key.sk)

    def check_condition(self, old: Row | None) -> None:
        """Raise ConditionFailed."""
        if self.condition and not self.condition.test(old.item if old else {}, self.values):
            raise ConditionFailed(attribute_values.copy(old.item) if self.returns_old and old else None)

    def new(self, old: Row | None) -> Row | None:
        """The row that the write stores; None where it stores nothing."""
        if self.item is not None:
            return self.table.checked_row(self.item)
        if not self.is_update or (old is None and self.update and not self.update.creates):
            return None
        if old is None:
            old = Row(self.key_attributes or {}, attribute_values.item_size(self.key_attributes or {}))
        if self.update is None:
            return old
        return self.table.updated_row(old, self.update.apply(old.item, self.values), self.update.names)

    def apply(self, row: Row | None) -> None:
        if row:
            self.table.put(self.key, row)
        elif self.deletes:
            self.table.delete(self.key)


def prepared(operation: str, tables: Tables, request: Request) -> Write:
    """Check a request of one of the operations in PARAMETERS."""
    check_parameters(operation, request, PARAMETERS[operation])
    table = table_of(tables, request)
    expressions = Expressions(request)
    condition = expressions.condition(request, "ConditionExpression")
    returned = _enumerated(request, "ReturnValuesOnConditionCheckFailure", ("ALL_OLD", "NONE"))
    write = Write(table, condition, expressions.values, returned == "ALL_OLD")
    if operation in ("PutItem", "Put"):
        write.item = attribute_values.accept(request["Item"])
    else:
        write.key_attributes = attribute_values.accept(request["Key"])
        write.deletes = operation in ("DeleteItem", "Delete")
        write.is_update = operation in ("UpdateItem", "Update")
    if (text := request.get("UpdateExpression")) is not None:
        write.update = updates.compiled(text, expressions.names)
        expressions.add("UpdateExpression", write.update)
    expressions.end()
    return write


def _enumerated(request: Request, parameter: str, allowed: tuple[str, ...]) -> str:
    value: str = request.get(parameter, "NONE")
    if value not in allowed:
        name = parameter[0].lower() + parameter[1:]
        failed = f"Value '{value}' at '{name}' failed to satisfy constraint"
        enumerated = f"Member must satisfy enum value set: [{', '.join(allowed)}]"
        raise invalid(f"1 validation error detected: {failed}: {enumerated}")
    return value


def _single(operation: str, tables: Tables, request: Request) -> tuple[Write, str, Row | None, Row | None]:
    """Perform one write. Returns it, `ReturnValues`, and the row before and after."""
    returned = _enumerated(request, "ReturnValues", RETURNED)
    if operation != "UpdateItem" and returned not in ("ALL_OLD", "NONE"):
        raise invalid("Return values set to invalid value")
    write = prepared(operation, tables, request)
    write.check_key()
    old = write.old()
    try:
        write.check_condition(old)
    except ConditionFailed as failed:
        members = {"message": CONDITION_FAILED} | ({"Item": failed.item} if failed.item else {})
        raise Refused("ConditionalCheckFailedException", CONDITION_FAILED, members) from None
    row = write.new(old)
    write.apply(row)
    return write, returned, old, row


def put_item(tables: Tables, request: Request) -> dict[str, Any]:
    _, returned, old, _ = _single("PutItem", tables, request)
    return _all(old if returned == "ALL_OLD" else None)


def delete_item(tables: Tables, request: Request) -> dict[str, Any]:
    _, returned, old, _ = _single("DeleteItem", tables, request)
    return _all(old if returned == "ALL_OLD" else None)


def update_item(tables: Tables, request: Request) -> dict[str, Any]:
    write, returned, old, row = _single("UpdateItem", tables, request)
    if returned == "NONE":
        return {}
    shown = old if returned.endswith("OLD") else row
    if returned.startswith("ALL"):
        return _all(shown)
    changed = paths.project(shown.item, write.update.paths) if shown and write.update else None
    return {"Attributes": changed} if changed else {}


def _all(row: Row | None) -> dict[str, Any]:
    return {"Attributes": attribute_values.copy(row.item)} if row else {}


SINGLE: dict[str, Callable[[Tables, Request], dict[str, Any]]] = {
    "PutItem": put_item,
    "UpdateItem": update_item,
    "DeleteItem": delete_item,
}
