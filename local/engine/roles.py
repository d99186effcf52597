"""Roles of functions, held against every call that they make: ministack does so when it is told, and lacks this."""

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
    # Nobody listens in on loopback, and policies ask for TLS.
    app.pin_request_origin = lambda address, _secure: pin(address, True)
    actions.dynamodb_service_context = lambda body: {**context(body), **leading_keys(body)}
    of_request = actions.extract_iam_action
    actions.extract_iam_action = lambda *asked: action(of_request(*asked))


def enforce() -> None:
    """From now on nobody may do what no policy allows; the account's own key, which has twelve digits, may do all."""
    emulator.application().AUTH = True


def action(named: str | None) -> str | None:
    """A batch of messages needs what each of them does: there are no actions of SQS for batches.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
    """
    return named.removesuffix("Batch") if named and named.startswith("sqs:") else named


def leading_keys(body: bytes) -> dict[str, list[str]]:
    """The partition keys that a request names, as AWS's policies see them; nothing where it names several tables."""
    request = json.loads(body or b"{}")
    if "TransactItems" in request or len(request.get("RequestItems", {})) > 1 or "IndexName" in request:
        return {}
    found = [*_of_one(request), *(key for asked in request.get("RequestItems", {}).values() for key in _of_many(asked))]
    return {LEADING_KEYS: list(dict.fromkeys(found))} if found else {}


def _of_one(request: dict[str, Any]) -> Iterator[str]:
    for holder in (request.get("Key", {}), request.get("Item", {})):
        yield from holder.get(KEY, {}).values()
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    for name, value in EQUAL.findall(request.get("KeyConditionExpression", "")):
        if names.get(name, name) == KEY:
            yield from values[value].values()


def _of_many(asked: Any) -> Iterator[str]:
    """Of one table in a batch: keys to read, or requests to put and delete."""
    if isinstance(asked, dict):
        holders = asked["Keys"]
    else:
        holders = [holder for each in asked for request in each.values() for holder in request.values()]
    for holder in holders:
        yield from holder.get(KEY, {}).values()
