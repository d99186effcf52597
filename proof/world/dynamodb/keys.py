"""Keys of items in tables and indexes, and their valid values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from proof.world.dynamodb.attribute_values import Attribute, kind_of
from proof.world.dynamodb.errors import invalid, invalid_parameter
from shared.tables import Index, Table

MAX_PARTITION_KEY, MAX_SORT_KEY = 2048, 1024
NOT_THE_SCHEMA = "The provided key element does not match the schema"
EMPTY = "The AttributeValue for a key attribute cannot contain an empty string value."
UNSUPPORTED = "One or more parameter values are not valid."


class Key(NamedTuple):
    pk: str
    sk: str


def of_key(table: Table, key: Mapping[str, Mapping[str, Any]]) -> Key:
    """Check the parameter `Key`: exactly the key attributes of the table."""
    if len(key) != 2 or table.pk not in key or table.sk not in key:
        raise invalid(NOT_THE_SCHEMA)
    pk, sk = key[table.pk].get("S"), key[table.sk].get("S")
    if not isinstance(pk, str) or not isinstance(sk, str):
        raise invalid(NOT_THE_SCHEMA)
    return _checked(table, pk, sk)


def of_item(table: Table, item: Mapping[str, Attribute]) -> Key:
    """The key of an item that is written."""
    for name in (table.pk, table.sk):
        if name not in item:
            raise invalid_parameter(f"Missing the key {name} in the item")
        if "S" not in item[name]:
            raise invalid_parameter(f"Type mismatch for key {name} expected: S actual: {kind_of(item[name])}")
    return _checked(table, item[table.pk]["S"], item[table.sk]["S"])


def _checked(table: Table, pk: str, sk: str) -> Key:
    if not pk or not sk:
        raise invalid(f"{UNSUPPORTED} {EMPTY} Key: {table.sk if pk else table.pk}")
    if len(pk.encode()) > MAX_PARTITION_KEY:
        raise invalid_parameter(f"Size of hashkey has exceeded the maximum size limit of{MAX_PARTITION_KEY} bytes")
    if len(sk.encode()) > MAX_SORT_KEY:
        exceeded = "Aggregated size of all range keys has exceeded the size limit of"
        raise invalid_parameter(f"{exceeded} {MAX_SORT_KEY} bytes")
    return Key(pk, sk)


def in_index(index: Index, item: Mapping[str, Attribute]) -> tuple[str, str] | None:
    """The key of an item in an index.

    None where it lacks a part of it: the index does not contain it.
    """
    pk, sk = item.get(index.pk), item.get(index.sk)
    if pk is None or sk is None:
        return None
    return pk["S"], sk["S"]


def check_index_values(index: Index, item: Mapping[str, Attribute]) -> None:
    """Refuse values that the keys of an index cannot have."""
    for name in (index.pk, index.sk):
        value = item.get(name)
        if value is None:
            continue
        if "S" not in value:
            expected = f"Expected: S Actual: {kind_of(value)} IndexName: {index.name}"
            raise invalid_parameter(f"Type mismatch for Index Key {name} {expected}")
        if not value["S"]:
            secondary = "A value specified for a secondary index key is not supported."
            raise invalid(f"{UNSUPPORTED} {secondary} {EMPTY} IndexName: {index.name}, IndexKey: {name}")
        limit = MAX_PARTITION_KEY if name == index.pk else MAX_SORT_KEY
        if len(value["S"].encode()) > limit:
            raise invalid_parameter(f"Size of the key {name} has exceeded the maximum size limit of {limit} bytes")
