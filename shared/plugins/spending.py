"""How much processor time each plugin may use in an hour, all its jobs together: one that runs wild stops itself."""

from __future__ import annotations

import re
from datetime import timedelta

from shared import clock, permissions, rows, settings
from shared.job import STATE
from shared.permissions import Grant
from shared.tables import TTL
from shared.tick import Tick

LIMIT = settings.count(
    "KB_PLUGIN_CPU_MS_PER_HOUR",
    3_600_000,
    "Processor milliseconds that one plugin may use in an hour, by all of its jobs",
)
KEPT = timedelta(days=2)


def refusal(tick: Tick, plugin: str) -> str:
    """Why the plugin may not run in this hour any more; empty where it may."""
    limit = tick.setting(LIMIT.name)
    found = tick.cloud.dynamodb.get_item(TableName=tick.cloud.names.table(STATE), Key=_key(tick, plugin))
    spent = rows.plain(found.get("Item")).get("ms", 0)
    if spent < limit:
        return ""
    return f"{plugin} has used {spent:,} ms of processor in this hour; {LIMIT.name} allows {limit:,}"


def add(tick: Tick, plugin: str, milliseconds: int) -> None:
    """Counted twice where a reply is lost, which only ends the hour a little earlier."""
    expires = int((tick.cloud.clock.now() + KEPT).timestamp())
    tick.cloud.dynamodb.update_item(
        TableName=tick.cloud.names.table(STATE),
        Key=_key(tick, plugin),
        UpdateExpression="ADD ms :ms SET #expires = :expires",
        ExpressionAttributeNames={"#expires": TTL},
        ExpressionAttributeValues=rows.row({":ms": milliseconds, ":expires": expires}),
    )


def grants(plugin: str) -> tuple[Grant, ...]:
    return (permissions.read_rows(STATE, _partition(plugin)), permissions.update_rows(STATE, _partition(plugin)))


def _partition(plugin: str) -> str:
    return f"plugin#{re.sub(r'[^a-z0-9]+', '-', plugin).strip('-')}"


def _key(tick: Tick, plugin: str) -> rows.Attributes:
    return rows.row({"pk": _partition(plugin), "sk": clock.minute(tick.cloud.clock.now())[:13]})
