"""Conditions as functions of an item.

Each is made once for each text of an expression. An absent attribute makes a comparison false, except `<>`, which it
makes true.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from proof.world.dynamodb.attribute_values import MEMBER, ORDERED, Attribute, Item, kind_of, sort_key
from proof.world.dynamodb.condition_parser import ConditionParser
from proof.world.dynamodb.errors import invalid
from proof.world.dynamodb.nodes import Between, Both, Call, Comparison, Condition, In, Not, Operand, Value
from proof.world.dynamodb.operands import Check, Evaluate, check_type, evaluator

Test = Callable[[Mapping[str, Attribute], Item], bool]
Names = tuple[tuple[str, str], ...]

ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
KINDS = frozenset(("B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"))


@dataclass(frozen=True, slots=True)
class CompiledCondition:
    """A condition, with the placeholders that it uses."""

    node: Condition
    test: Test
    #: Checks of the request's values, made before any item is read.
    checks: tuple[Check, ...]
    used_names: frozenset[str]
    used_values: frozenset[str]


@lru_cache(maxsize=4096)
def compiled(text: str, parameter: str, names: Names) -> CompiledCondition:
    """Parse a condition.

    parameter: name of the expression in the request, such as `FilterExpression`.
    """
    parser = ConditionParser(text, parameter, dict(names))
    node = parser.parse()
    compiler = _Compiler(parameter)
    test = compiler.test(node)
    used_names, used_values = frozenset(parser.used_names), frozenset(parser.used_values)
    return CompiledCondition(node, test, tuple(compiler.checks), used_names, used_values)


class _Compiler:
    """Make the functions of a tree; collect the checks of its values."""

    def __init__(self, parameter: str) -> None:
        self.parameter = parameter
        self.checks: list[Check] = []

    def test(self, node: Condition) -> Test:
        match node:
            case Both(sign, left, right):
                one, other = self.test(left), self.test(right)
                if sign == "AND":
                    return lambda item, values: one(item, values) and other(item, values)
                return lambda item, values: one(item, values) or other(item, values)
            case Not(condition):
                negated = self.test(condition)
                return lambda item, values: not negated(item, values)
            case Comparison(sign, left, right):
                return self._comparison(sign, left, right)
            case Between():
                return self._between(node)
            case In(operand, candidates):
                wanted, listed = evaluator(operand), [evaluator(candidate) for candidate in candidates]
                return lambda item, values: (
                    (value := wanted(item, values)) is not None and any(one(item, values) == value for one in listed)
                )
            case Call(function, arguments):
                return self._call(function, arguments)

    def _comparison(self, sign: str, left: Operand, right: Operand) -> Test:
        one, other = evaluator(left), evaluator(right)
        if sign == "=":
            return lambda item, values: (value := one(item, values)) is not None and value == other(item, values)
        if sign == "<>":
            return lambda item, values: (value := one(item, values)) is None or value != other(item, values)
        for operand in (left, right):
            self.checks += check_type(operand, ORDERED, sign, self.parameter)
        return _ordered(one, other, ORDER[sign])

    def _between(self, node: Between) -> Test:
        for operand in (node.operand, node.low, node.high):
            self.checks += check_type(operand, ORDERED, "BETWEEN", self.parameter)
        if isinstance(node.low, Value) and isinstance(node.high, Value):
            self.checks.append(_check_bounds(node.low.name, node.high.name, self.parameter))
        value, low, high = evaluator(node.operand), evaluator(node.low), evaluator(node.high)
        above, below = _ordered(value, low, operator.ge), _ordered(value, high, operator.le)
        return lambda item, values: above(item, values) and below(item, values)

    def _call(self, function: str, arguments: tuple[Operand, ...]) -> Test:
        value = evaluator(arguments[0])
        if function == "attribute_exists":
            return lambda item, values: value(item, values) is not None
        if function == "attribute_not_exists":
            return lambda item, values: value(item, values) is None
        argument = evaluator(arguments[1])
        if function == "attribute_type":
            self.checks += check_type(arguments[1], frozenset("S"), function, self.parameter)
            self.checks.append(_check_type_name(arguments[1], self.parameter))
            return lambda item, values: _has_type(value(item, values), argument(item, values))
        if function == "begins_with":
            for operand in arguments:
                self.checks += check_type(operand, frozenset("SB"), function, self.parameter)
            return lambda item, values: _begins(value(item, values), argument(item, values))
        return lambda item, values: _contains(value(item, values), argument(item, values))


def _ordered(one: Evaluate, other: Evaluate, compare: Callable[[Any, Any], bool]) -> Test:
    def test(item: Mapping[str, Attribute], values: Item) -> bool:
        left, right = one(item, values), other(item, values)
        if left is None or right is None:
            return False
        if "S" in left and "S" in right:
            return compare(left["S"], right["S"])
        left_key, right_key = sort_key(left), sort_key(right)
        if left_key is None or right_key is None or left_key[0] != right_key[0]:
            return False
        return compare(left_key[1], right_key[1])

    return test


def _has_type(value: Attribute | None, wanted: Attribute | None) -> bool:
    return value is not None and wanted is not None and kind_of(value) == wanted.get("S")


def _begins(value: Attribute | None, start: Attribute | None) -> bool:
    if value is None or start is None:
        return False
    return any(kind in value and kind in start and value[kind].startswith(start[kind]) for kind in "SB")


def _contains(value: Attribute | None, part: Attribute | None) -> bool:
    """Whether text has a part, or a set or list an element."""
    if value is None or part is None:
        return False
    [(kind, inner)] = value.items()
    if kind in "SB":
        return kind in part and part[kind] in inner
    if kind == "L":
        return part in inner
    return kind in MEMBER and part.get(MEMBER[kind]) in inner


def _check_bounds(low: str, high: str, parameter: str) -> Check:
    def check(values: Item) -> None:
        lower, upper = sort_key(values[low]), sort_key(values[high])
        if lower is None or upper is None:
            return
        if lower[0] != upper[0]:
            requires = "same data type for lower and upper bounds"
        elif lower[1] > upper[1]:
            requires = "upper bound to be greater than or equal to lower bound"
        else:
            return
        bounds = f"lower bound operand: {_text(values[low])}, upper bound operand: {_text(values[high])}"
        raise invalid(f"Invalid {parameter}: The BETWEEN operator requires {requires}; {bounds}")

    return check


def _check_type_name(operand: object, parameter: str) -> Check:
    assert isinstance(operand, Value)
    name = operand.name

    def check(values: Item) -> None:
        if (kind := values[name]["S"]) not in KINDS:
            types = "{B,NULL,SS,BOOL,L,BS,N,NS,S,M}"
            raise invalid(f"Invalid {parameter}: Invalid attribute type name found; type: {kind}, valid types: {types}")

    return check


def _text(value: Attribute) -> str:
    [(kind, inner)] = value.items()
    return f"AttributeValue: {{{kind}:{inner}}}"
