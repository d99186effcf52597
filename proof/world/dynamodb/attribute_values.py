"""Attribute values in canonical form: validation, copies, sizes, order.

In canonical form numbers have one text each, sets are sorted, and binary values are bytes: two values are equal where
their dictionaries are. Values are never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from proof.world.dynamodb.decimals import canonical
from proof.world.dynamodb.errors import Refused, invalid, invalid_parameter

Attribute = dict[str, Any]
Item = dict[str, Attribute]

DEPTH = 32
MEMBER = {"SS": "S", "NS": "N", "BS": "B"}
NESTED = frozenset((*MEMBER, "L", "M"))
ORDERED = frozenset("SNB")
EMPTY = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
SEVERAL = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"


def accept(values: Mapping[str, Mapping[str, Any]]) -> Item:
    """Validate attribute values, and copy them in canonical form."""
    # Text and numbers, which nearly all values are, take no further calls.
    return {
        name: {kind: inner if kind == "S" else canonical(inner)}
        if kind in "SN" and type(inner) is str
        else {kind: _accept(kind, inner, 1)}
        for name, value in values.items()
        for kind, inner in (value.items() if len(value) == 1 else _malformed(value))
    }


def copy(item: Mapping[str, Attribute]) -> Item:
    """Deep copy of canonical values, for a caller who may change it."""
    return {
        name: {kind: _copy(kind, inner) if kind in NESTED else inner}
        for name, value in item.items()
        for kind, inner in value.items()
    }


def item_size(item: Mapping[str, Attribute]) -> int:
    """Size in bytes; source: the developer guide, "DynamoDB item sizes and formats"."""
    size = 0
    for name, value in item.items():
        for kind, inner in value.items():
            size += len(name.encode()) + (len(inner.encode()) if kind == "S" else _size(kind, inner))
    return size


def attribute_size(name: str, value: Attribute | None) -> int:
    """The part of an attribute in the size of its item."""
    return 0 if value is None else item_size({name: value})


def kind_of(value: Attribute) -> str:
    return next(iter(value))


def sort_key(value: Attribute) -> tuple[str, Any] | None:
    """Type and comparable form of a string, number or binary value.

    None for a value without an order.
    """
    [(kind, inner)] = value.items()
    if kind == "N":
        return kind, Decimal(inner)
    return (kind, inner) if kind in ORDERED else None


def make_set(kind: str, members: Iterable[Any]) -> list[Any]:
    """Sorted members of a set, each once."""
    return sorted(set(members), key=Decimal if kind == "NS" else None)


def _malformed(value: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    raise invalid(SEVERAL if value else EMPTY)


def _accept(kind: str, inner: Any, depth: int) -> Any:
    accept_kind = ACCEPT.get(kind)
    if accept_kind is None:
        raise invalid(EMPTY)
    return accept_kind(inner, depth)


def _text(inner: Any, _: int) -> str:
    if not isinstance(inner, str):
        raise _mistyped("a string", inner)
    return str(inner)


def _number(inner: Any, _: int) -> str:
    if not isinstance(inner, str):
        raise _mistyped("a number as text", inner)
    return canonical(inner)


def _binary(inner: Any, _: int) -> bytes:
    if not isinstance(inner, bytes | bytearray):
        raise _mistyped("bytes", inner)
    return bytes(inner)


def _boolean(inner: Any, _: int) -> bool:
    if not isinstance(inner, bool):
        raise _mistyped("a boolean", inner)
    return inner


def _null(inner: Any, _: int) -> bool:
    if inner is not True:
        raise invalid_parameter("Null attribute value types must have the value of true")
    return True


def _set(kind: str) -> Callable[[Any, int], list[Any]]:
    names = {"SS": "string", "NS": "number", "BS": "binary"}

    def accept_set(inner: Any, depth: int) -> list[Any]:
        if not inner:
            raise invalid_parameter(f"An {names[kind]} set  may not be empty")
        accept_member = ACCEPT[MEMBER[kind]]
        members = make_set(kind, (accept_member(member, depth) for member in inner))
        if len(members) < len(inner):
            raise invalid_parameter(f"Input collection [{', '.join(map(str, inner))}] contains duplicates.")
        return members

    return accept_set


def _list(inner: Any, depth: int) -> list[Attribute]:
    if not isinstance(inner, list | tuple):
        raise _mistyped("a list", inner)
    return [_nested(value, depth) for value in inner]


def _map(inner: Any, depth: int) -> Item:
    if not isinstance(inner, Mapping):
        raise _mistyped("a map", inner)
    return {name: _nested(value, depth) for name, value in inner.items()}


def _nested(value: Mapping[str, Any], depth: int) -> Attribute:
    if depth == DEPTH:
        raise invalid("Nesting Levels have exceeded supported limits")
    if len(value) != 1:
        _malformed(value)
    [(kind, inner)] = value.items()
    return {kind: _accept(kind, inner, depth + 1)}


def _mistyped(expected: str, inner: Any) -> Refused:
    return Refused("SerializationException", f"an attribute value is {type(inner).__name__}, not {expected}")


ACCEPT: dict[str, Callable[[Any, int], Any]] = {
    "S": _text,
    "N": _number,
    "B": _binary,
    "BOOL": _boolean,
    "NULL": _null,
    "L": _list,
    "M": _map,
    **{kind: _set(kind) for kind in MEMBER},
}


def _copy(kind: str, inner: Any) -> Any:
    if kind == "M":
        return copy(inner)
    if kind == "L":
        return [{name: _copy(name, value) if name in NESTED else value} for one in inner for name, value in one.items()]
    return inner.copy()


def _size(kind: str, inner: Any) -> int:
    match kind:
        case "S":
            return len(inner.encode())
        case "N":
            return _number_size(inner)
        case "B":
            return len(inner)
        case "L":
            return 3 + sum(1 + _size(name, value) for one in inner for name, value in one.items())
        case "M":
            return 3 + len(inner) + item_size(inner)
        case "SS" | "NS" | "BS":
            return sum(_size(MEMBER[kind], member) for member in inner)
    return 1


@lru_cache(maxsize=8192)
def _number_size(text: str) -> int:
    digits = text.lstrip("-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + text.startswith("-")
