"""Key conditions: a query's partition and its range of sort keys."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from proof.world.dynamodb import conditions
from proof.world.dynamodb.attribute_values import Item
from proof.world.dynamodb.conditions import CompiledCondition, Names
from proof.world.dynamodb.errors import invalid, invalid_parameter, unimplemented
from proof.world.dynamodb.nodes import Between, Both, Call, Comparison, Condition, Not, Operand, Path, Value

PARAMETER = "KeyConditionExpression"
NOT_SUPPORTED = "Query key condition not supported"


@dataclass(frozen=True, slots=True)
class Range:
    """Sort keys of a query. None: no bound."""

    low: str | None = None
    high: str | None = None
    includes_low: bool = True
    includes_high: bool = True
    prefix: str = ""

    def contains(self, sk: str) -> bool:
        above = self.low is None or sk > self.low or (self.includes_low and sk == self.low)
        below = self.high is None or sk < self.high or (self.includes_high and sk == self.high)
        return above and below and sk.startswith(self.prefix)


@dataclass(frozen=True, slots=True)
class _Term:
    """Condition on one key attribute."""

    name: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """Terms by attribute."""

    terms: tuple[_Term, ...]
    condition: CompiledCondition

    def bounds(self, pk: str, sk: str, values: Item) -> tuple[str, Range]:
        """Partition and range of a query.

        pk, sk: the keys of the table or the index.
        """
        terms = {term.name: term for term in self.terms}
        if pk not in terms:
            raise invalid(f"Query condition missed key schema element: {pk}")
        if terms[pk].operator != "=":
            raise invalid(NOT_SUPPORTED)
        if len(terms) == 2 and sk not in terms:
            raise invalid(f"Query condition missed key schema element: {sk}")
        partition = _key_values(terms[pk], values)[0]
        return partition, _range(terms[sk], values) if sk in terms else Range()


@lru_cache(maxsize=1024)
def compiled(text: str, names: Names) -> KeyCondition:
    condition = conditions.compiled(text, PARAMETER, names)
    terms = _terms(condition.node)
    if len(terms) > 2:
        raise invalid("Conditions can be of length 1 or 2 only")
    if len({term.name for term in terms}) < len(terms):
        raise invalid("KeyConditionExpressions must only contain one condition per key")
    return KeyCondition(tuple(terms), condition)


def _terms(node: Condition) -> list[_Term]:
    match node:
        case Both("AND", left, right):
            return [*_terms(left), *_terms(right)]
        case Both():
            raise _invalid_operator("OR")
        case Not():
            raise _invalid_operator("NOT")
        case Comparison("<>"):
            raise _invalid_operator("<>")
        case Comparison(operator, operand, value):
            return [_Term(_name(operand), operator, (_value(value),))]
        case Between(operand, low, high):
            return [_Term(_name(operand), "BETWEEN", (_value(low), _value(high)))]
        case Call("begins_with", (operand, prefix)):
            return [_Term(_name(operand), "begins_with", (_value(prefix),))]
        case Call(function):
            raise _invalid_operator(function)
    raise _invalid_operator("IN")


def _invalid_operator(operator: str) -> Exception:
    return invalid(f"Invalid {PARAMETER}: Invalid operator used in {PARAMETER}: {operator}")


def _name(operand: Operand) -> str:
    match operand:
        case Path((name,)):
            return str(name)
        case Path():
            raise invalid(f"Invalid {PARAMETER}: {PARAMETER}s cannot have conditions on nested attributes")
    raise unimplemented(f"{PARAMETER} whose comparison does not begin with an attribute")


def _value(operand: Operand) -> str:
    if not isinstance(operand, Value):
        raise invalid(f"Invalid {PARAMETER}: No key attribute may be compared with another attribute")
    return operand.name


def _key_values(term: _Term, values: Item) -> list[str]:
    for name in term.values:
        if "S" not in values[name]:
            raise invalid_parameter("Condition parameter type does not match schema type")
        if not values[name]["S"]:
            empty = "The AttributeValue for a key attribute cannot contain an empty string value."
            raise invalid(f"One or more parameter values are not valid. {empty} Key: {term.name}")
    return [values[name]["S"] for name in term.values]


def _range(term: _Term, values: Item) -> Range:
    first, *rest = _key_values(term, values)
    match term.operator:
        case "=":
            return Range(first, first)
        case "<" | "<=":
            return Range(high=first, includes_high=term.operator == "<=")
        case ">" | ">=":
            return Range(low=first, includes_low=term.operator == ">=")
        case "BETWEEN":
            return Range(first, rest[0])
    return Range(low=first, prefix=first)
