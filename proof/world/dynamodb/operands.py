"""Operands of expressions as functions of an item and the request's values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from proof.world.dynamodb.attribute_values import Attribute, Item, kind_of
from proof.world.dynamodb.errors import invalid
from proof.world.dynamodb.nodes import Call, Operand, Path, Steps, Value
from proof.world.dynamodb.paths import read

# The value of an operand; None where the item has no such attribute.
Evaluate = Callable[[Mapping[str, Attribute], Item], Attribute | None]
# Raises an error where a value of the request has a type that its operator does not take.
Check = Callable[[Item], None]

SIZED = ("S", "B", "SS", "NS", "BS", "L", "M")


def evaluator(operand: Operand) -> Evaluate:
    """A path, a value, or `size` of one."""
    match operand:
        case Path(steps):
            return path_evaluator(steps)
        case Value(name):
            return lambda _, values: values[name]
        case Call(_, (argument,)):
            return _size(evaluator(argument))
    raise AssertionError(f"{operand} is no operand of a condition")


def path_evaluator(steps: Steps) -> Evaluate:
    if len(steps) == 1:
        name = str(steps[0])
        return lambda item, _: item.get(name)
    return lambda item, _: read(item, steps)


def _size(evaluate: Evaluate) -> Evaluate:
    """Length of text or binary, or the number of elements.

    None for other types.
    """

    def size(item: Mapping[str, Attribute], values: Item) -> Attribute | None:
        value = evaluate(item, values)
        if value is None:
            return None
        [(kind, inner)] = value.items()
        return {"N": str(len(inner))} if kind in SIZED else None

    return size


def check_type(operand: object, kinds: frozenset[str], operator: str, parameter: str) -> list[Check]:
    """A check of an operand that is a value of the request.

    Operands from the item are never checked.
    """
    if not isinstance(operand, Value):
        return []
    name = operand.name

    def check(values: Item) -> None:
        if (kind := kind_of(values[name])) not in kinds:
            incorrect = "Incorrect operand type for operator or function; operator or function"
            raise invalid(f"Invalid {parameter}: {incorrect}: {operator}, operand type: {kind}")

    return [check]
