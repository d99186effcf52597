"""How much processor time each plugin may use in an hour, all its jobs together: one that runs wild stops itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared import clock
from shared.aws import attributes, permissions
from shared.aws.names import STATE
from shared.aws.permissions import Grant
from shared.job import settings
from shared.run.context import RunContext
from shared.tables import TTL

LIMIT = settings.count(
    "KB_PLUGIN_CPU_MS_PER_HOUR",
    3_600_000,
    "Processor milliseconds that one plugin may use in an hour, by all of its jobs",
)
KEPT = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Reserved:
    """Milliseconds that count as used until it is known how many were; for good where the host dies meanwhile."""

    key: attributes.Attributes
    milliseconds: int


def reserve(run: RunContext, plugin: str, milliseconds: int) -> Reserved | str:
    """Or why the plugin may not run in this hour any more. One conditional write, so that no two take the same rest."""
    limit, key = run.setting(LIMIT.name), _key(run, plugin)
    try:
        _add(run, key, milliseconds, limit)
    except run.cloud.dynamodb.exceptions.ConditionalCheckFailedException as error:
        response: Any = error.response
        spent = attributes.plain(response.get("Item")).get("ms", 0)
        return f"{plugin} has used {spent:,} ms of processor in this hour; {LIMIT.name} allows {limit:,}"
    return Reserved(key, milliseconds)


def settle(run: RunContext, reserved: Reserved, milliseconds: int) -> None:
    """Count what was used in place of what was reserved. Where a reply is lost it is counted twice."""
    _add(run, reserved.key, milliseconds - reserved.milliseconds)


def grants(plugin: str) -> tuple[Grant, ...]:
    return (permissions.update_rows(STATE, _partition(plugin)),)


def _add(run: RunContext, key: attributes.Attributes, milliseconds: int, limit: int | None = None) -> None:
    values = {":ms": milliseconds, ":expires": int((run.cloud.clock.now() + KEPT).timestamp())}
    condition: Any = {}
    if limit is not None:
        values[":limit"] = limit
        condition = {
            "ConditionExpression": "attribute_not_exists(ms) OR ms < :limit",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    run.cloud.dynamodb.update_item(
        TableName=run.cloud.names.table(STATE),
        Key=key,
        UpdateExpression="ADD ms :ms SET #expires = :expires",
        ExpressionAttributeNames={"#expires": TTL},
        ExpressionAttributeValues=attributes.row(values),
        **condition,
    )


def _partition(plugin: str) -> str:
    return f"plugin#{re.sub(r'[^a-z0-9]+', '-', plugin).strip('-')}"


def _key(run: RunContext, plugin: str) -> attributes.Attributes:
    return attributes.row({"pk": _partition(plugin), "sk": clock.minute(run.cloud.clock.now())[:13]})
