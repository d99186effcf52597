"""Parts that requests share: parameters, placeholders, expressions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

from proof.world.dynamodb import attribute_values, conditions, paths
from proof.world.dynamodb.attribute_values import Item
from proof.world.dynamodb.conditions import CompiledCondition
from proof.world.dynamodb.errors import Refused, invalid, unimplemented
from proof.world.dynamodb.memory_table import MemoryTable
from proof.world.dynamodb.nodes import Steps
from proof.world.dynamodb.operands import Check

Request = Mapping[str, Any]
Tables = Mapping[str, MemoryTable]
Names = tuple[tuple[str, str], ...]
# An expression's parameter, and the names and values that it uses.
Used = tuple[str, frozenset[str], frozenset[str]]

NAMES, VALUES = "ExpressionAttributeNames", "ExpressionAttributeValues"
EXPRESSION = frozenset((NAMES, VALUES))
# Accepted with `NONE`, which is the default.
REPORTS = frozenset(("ReturnConsumedCapacity", "ReturnItemCollectionMetrics"))
CONDITIONED = frozenset(("TableName", "ConditionExpression", "ReturnValuesOnConditionCheckFailure", *EXPRESSION))


class Compiled(Protocol):
    """An expression that was parsed."""

    @property
    def checks(self) -> tuple[Check, ...]: ...
    @property
    def used_names(self) -> frozenset[str]: ...
    @property
    def used_values(self) -> frozenset[str]: ...


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
    _check_keys(NAMES, "#", tuple(names))
    return tuple(names.items())


def values_of(request: Request) -> Item:
    values = request.get(VALUES)
    if values is None:
        return {}
    _check_keys(VALUES, ":", tuple(values))
    return attribute_values.accept(values)


@lru_cache(maxsize=4096)
def _check_keys(parameter: str, sign: str, keys: tuple[str, ...]) -> None:
    if not keys:
        raise invalid(f"{parameter} must not be empty")
    for key in keys:
        if not (key.startswith(sign) and key.isascii() and key[1:].replace("_", "a").isalnum()):
            raise invalid(f'{parameter} contains invalid key: Syntax error; key: "{key}"')


class Expressions:
    """Expressions of one request, and its placeholders."""

    __slots__ = ("_checks", "_used", "names", "values")

    def __init__(self, request: Request) -> None:
        self.names = names_of(request)
        self.values = values_of(request)
        self._checks: list[Check] = []
        self._used: list[Used] = []

    def condition(self, request: Request, parameter: str) -> CompiledCondition | None:
        text = request.get(parameter)
        if text is None:
            return None
        condition = conditions.compiled(text, parameter, self.names)
        self.add(parameter, condition)
        return condition

    def projection(self, request: Request) -> tuple[Steps, ...] | None:
        text = request.get("ProjectionExpression")
        if text is None:
            return None
        steps, used = paths.projection(text, self.names)
        self._used.append(("ProjectionExpression", used, frozenset()))
        return steps

    def add(self, parameter: str, expression: Compiled) -> None:
        self._used.append((parameter, expression.used_names, expression.used_values))
        self._checks += expression.checks

    def end(self) -> None:
        """Refuse undefined and unused placeholders, and values of wrong types."""
        _check_placeholders(tuple(self._used), self.names, tuple(self.values))
        for check in self._checks:
            check(self.values)


@lru_cache(maxsize=4096)
def _check_placeholders(used: tuple[Used, ...], names: Names, values: tuple[str, ...]) -> None:
    used_names: set[str] = set()
    used_values: set[str] = set()
    for parameter, some_names, some_values in used:
        for name in sorted(some_values - set(values)):
            undefined = "An expression attribute value used in expression is not defined"
            raise invalid(f"Invalid {parameter}: {undefined}; attribute value: {name}")
        used_names |= some_names
        used_values |= some_values
    unused = {VALUES: set(values) - used_values, NAMES: dict(names).keys() - used_names}
    for parameter, keys in unused.items():
        if keys and not used:
            raise invalid(f"{parameter} can only be specified when using expressions")
        if keys:
            raise invalid(f"Value provided in {parameter} unused in expressions: keys: {{{', '.join(sorted(keys))}}}")
