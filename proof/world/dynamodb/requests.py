"""Parts that requests share: parameters, placeholders, expressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from proof.world.dynamodb import attribute_values, conditions, paths
from proof.world.dynamodb.attribute_values import Item
from proof.world.dynamodb.conditions import CompiledCondition
from proof.world.dynamodb.errors import Refused, invalid, unimplemented
from proof.world.dynamodb.memory_table import MemoryTable
from proof.world.dynamodb.nodes import Steps

Request = Mapping[str, Any]
Tables = Mapping[str, MemoryTable]
Names = tuple[tuple[str, str], ...]

NAMES, VALUES = "ExpressionAttributeNames", "ExpressionAttributeValues"
EXPRESSION = frozenset((NAMES, VALUES))
# Accepted with `NONE`, which is the default.
REPORTS = frozenset(("ReturnConsumedCapacity", "ReturnItemCollectionMetrics"))
CONDITIONED = frozenset(("TableName", "ConditionExpression", "ReturnValuesOnConditionCheckFailure", *EXPRESSION))


def check_parameters(operation: str, request: Request, known: frozenset[str]) -> None:
    """Refuse parameters that are not implemented, and reports that are asked for."""
    if request.keys() <= known:
        return
    for name in request.keys() - known:
        if name not in REPORTS or request[name] != "NONE":
            raise unimplemented(f"{name} of {operation}")


def table_of(tables: Tables, request: Request) -> MemoryTable:
    table = tables.get(request["TableName"])
    if table is None:
        raise Refused("ResourceNotFoundException", "Requested resource not found")
    return table


def names_of(request: Request) -> Names:
    names: Mapping[str, str] | None = request.get(NAMES)
    if names is None:
        return ()
    if not names:
        raise invalid(f"{NAMES} must not be empty")
    for name in names:
        if not (name.startswith("#") and _is_placeholder(name)):
            raise invalid(f'{NAMES} contains invalid key: Syntax error; key: "{name}"')
    return tuple(names.items())


def values_of(request: Request) -> Item:
    values = request.get(VALUES)
    if values is None:
        return {}
    if not values:
        raise invalid(f"{VALUES} must not be empty")
    for name in values:
        if not (name.startswith(":") and _is_placeholder(name)):
            raise invalid(f'{VALUES} contains invalid key: Syntax error; key: "{name}"')
    return attribute_values.accept(values)


def _is_placeholder(name: str) -> bool:
    return name.isascii() and name[1:].replace("_", "a").isalnum()


class Expressions:
    """Expressions of one request, and the placeholders that they use."""

    __slots__ = ("_used_names", "_used_values", "any", "names", "values")

    def __init__(self, request: Request) -> None:
        self.names = names_of(request)
        self.values = values_of(request)
        self.any = False
        self._used_names: frozenset[str] = frozenset()
        self._used_values: frozenset[str] = frozenset()

    def condition(self, request: Request, parameter: str) -> CompiledCondition | None:
        text = request.get(parameter)
        if text is None:
            return None
        condition = conditions.compiled(text, parameter, self.names)
        self.use(parameter, condition.used_names, condition.used_values)
        for check in condition.checks:
            check(self.values)
        return condition

    def projection(self, request: Request) -> tuple[Steps, ...] | None:
        text = request.get("ProjectionExpression")
        if text is None:
            return None
        steps, used = paths.projection(text, self.names)
        self.use("ProjectionExpression", used, frozenset())
        return steps

    def use(self, parameter: str, names: frozenset[str], values: frozenset[str]) -> None:
        """Note the placeholders of an expression. Refuses values that are not defined."""
        self.any = True
        for name in values - self.values.keys():
            undefined = "An expression attribute value used in expression is not defined"
            raise invalid(f"Invalid {parameter}: {undefined}; attribute value: {name}")
        self._used_names |= names
        self._used_values |= values

    def end(self) -> None:
        """Refuse placeholders that no expression uses."""
        if self.values.keys() != self._used_values:
            self._refuse(VALUES, self.values.keys() - self._used_values)
        if len(self.names) != len(self._used_names):
            self._refuse(NAMES, dict(self.names).keys() - self._used_names)

    def _refuse(self, parameter: str, unused: Iterable[str]) -> None:
        if not self.any:
            raise invalid(f"{parameter} can only be specified when using expressions")
        raise invalid(f"Value provided in {parameter} unused in expressions: keys: {{{', '.join(sorted(unused))}}}")
