"""Rows of several tables, read together by their keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.aws import attributes
from shared.store.throttling import KEYS_AT_ONCE, TRIES, Throttled
from shared.tables import TABLES

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

PAUSE = 0.05


def batch_get(cloud: Cloud, keys: Iterable[Key]) -> dict[Key, dict[str, Any]]:
    """Those that there are, as plain data; a call for each hundred. Raises Slow."""
    tables = {table.name: table for table in TABLES}
    logical = {cloud.names.table(name): name for name in tables}
    wanted, found = list(dict.fromkeys(keys)), {}
    for start in range(0, len(wanted), KEYS_AT_ONCE):
        asked: dict[str, Any] = {}
        for name, pk, sk in wanted[start : start + KEYS_AT_ONCE]:
            key = attributes.row({tables[name].pk: pk, tables[name].sk: sk})
            asked.setdefault(cloud.names.table(name), {"Keys": [], "ConsistentRead": True})["Keys"].append(key)
        for physical, item in _read(cloud, asked):
            table, plain = tables[logical[physical]], attributes.plain(item)
            found[Key(table.name, plain[table.pk], plain[table.sk])] = plain
    return found


def _read(cloud: Cloud, asked: Any) -> Iterable[tuple[str, Any]]:
    for attempt in range(TRIES):
        answer = cloud.bulk.batch_get_item(RequestItems=asked)
        for physical, items in answer["Responses"].items():
            yield from ((physical, item) for item in items)
        asked = answer["UnprocessedKeys"]
        if not asked:
            return
        cloud.clock.sleep(PAUSE * 2**attempt)
    raise Throttled(f"rows were not read in {TRIES} tries; {', '.join(asked)} are asked for more than they give")


class Key(NamedTuple):
    """A row of another table that an attempt looks at; table: its logical name."""

    table: str
    pk: str
    sk: str
