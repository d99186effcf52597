"""Conversion of DynamoDB attribute values to plain data and back.

boto3's TypeSerializer and TypeDeserializer refuse floats, return Decimal for every number, and take twice the CPU
(docs/decisions/0005).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Attributes = dict[str, Any]


def pack(value: Any) -> Attributes:
    """`"a"` -> `{"S": "a"}`.

    Text, numbers, booleans, None, lists, string-keyed maps, sets of text (read as lists).
    """
    match value:
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | float():
            return {"N": repr(value)}
        case None:
            return {"NULL": True}
        case Mapping():
            return {"M": {key: pack(inner) for key, inner in value.items()}}
        case list() | tuple():
            return {"L": [pack(inner) for inner in value]}
        case set() | frozenset():
            return {"SS": sorted(value)}
    raise TypeError(f"a row cannot hold {type(value).__name__}: {value!r:.80}")


def unpack(attribute: Attributes) -> Any:
    """`{"S": "a"}` -> `"a"`.

    A number is an int, or a float if it has a fraction or an exponent.
    """
    [(kind, value)] = attribute.items()
    match kind:
        case "N":
            return float(value) if "." in value or "e" in value.lower() else int(value)
        case "M":
            return {key: unpack(inner) for key, inner in value.items()}
        case "L":
            return [unpack(inner) for inner in value]
        case "NULL":
            return None
    return value


def row(values: Mapping[str, Any]) -> Attributes:
    """Convert plain data to an item; None values are left out."""
    return {name: pack(value) for name, value in values.items() if value is not None}


def plain(item: Mapping[str, Any] | None) -> dict[str, Any]:
    """Convert an item to plain data; empty for None."""
    return {name: unpack(value) for name, value in (item or {}).items()}


def size(item: Mapping[str, Any]) -> int:
    """Size in bytes as DynamoDB bills it.

    Names and values in UTF-8, a byte per two digits, 3 bytes per container.

    Source: the developer guide, "DynamoDB item sizes and formats".
    """
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(attribute: Attributes) -> int:
    [(kind, value)] = attribute.items()
    match kind:
        case "S":
            return len(str(value).encode())
        case "N":
            digits = str(value).lstrip("-").replace(".", "")
            return (len(digits) + 1) // 2 + 1 + str(value).startswith("-")
        case "M":
            return 3 + sum(1 + len(key.encode()) + _size(inner) for key, inner in value.items())
        case "SS":
            return sum(len(str(inner).encode()) for inner in value)
        case "L":
            return 3 + sum(1 + _size(inner) for inner in value)
    return 1
