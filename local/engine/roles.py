"""Role checks for calls of functions, where ministack's are incomplete."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from local.engine import emulator
from shared.tables import Table

LEADING_KEYS = "dynamodb:LeadingKeys"
EQUAL = re.compile(r"([#\w]+)\s*=\s*(:\w+)")
KEY = Table.__dataclass_fields__["pk"].default


def install() -> None:
    """Put in place what it lacks; nothing is enforced yet."""
    app, actions = emulator.application(), emulator.core("iam_actions")
    pin, context = app.pin_request_origin, actions.dynamodb_service_context
    # Policies require TLS, which loopback does not need.
    app.pin_request_origin = lambda address, _secure: pin(address, True)
    actions.dynamodb_service_context = lambda body: {**context(body), **leading_keys(body)}
    of_request = actions.extract_iam_action
    actions.extract_iam_action = lambda *request: action(of_request(*request))


def enforce() -> None:
    """Deny calls that no policy allows from now on.

    The account's own key may do anything.
    """
    emulator.application().AUTH = True


def action(named: str | None) -> str | None:
    """IAM action of an SQS batch request: that of the single request.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
    """
    return named.removesuffix("Batch") if named and named.startswith("sqs:") else named


def leading_keys(body: bytes) -> dict[str, list[str]]:
    """Partition keys of a request; none for requests to several tables."""
    request = json.loads(body or b"{}")
    if "TransactItems" in request or len(request.get("RequestItems", {})) > 1 or "IndexName" in request:
        return {}
    tables = request.get("RequestItems", {}).values()
    keys = [*_of_one(request), *(key for table in tables for key in _of_many(table))]
    return {LEADING_KEYS: list(dict.fromkeys(keys))} if keys else {}


def _of_one(request: dict[str, Any]) -> Iterator[str]:
    for holder in (request.get("Key", {}), request.get("Item", {})):
        yield from holder.get(KEY, {}).values()
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    for name, value in EQUAL.findall(request.get("KeyConditionExpression", "")):
        if names.get(name, name) == KEY:
            yield from values[value].values()


def _of_many(table: Any) -> Iterator[str]:
    """Keys of one table in a batch, to read, put or delete."""
    if isinstance(table, dict):
        holders = table["Keys"]
    else:
        holders = [holder for each in table for request in each.values() for holder in request.values()]
    for holder in holders:
        yield from holder.get(KEY, {}).values()
