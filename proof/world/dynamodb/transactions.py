"""TransactWriteItems: all writes, or none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from proof.world.dynamodb.attribute_values import item_size
from proof.world.dynamodb.errors import Refused, invalid
from proof.world.dynamodb.partitions import Row
from proof.world.dynamodb.requests import Request, Tables, check_parameters
from proof.world.dynamodb.writes import CONDITION_FAILED, ConditionFailed, Write, prepared

KINDS = ("Put", "Update", "Delete", "ConditionCheck")
MOST_ITEMS = 100
MAX_SIZE = 4 * 1024 * 1024
MAX_TOKEN = 36
TOKEN_AGE = timedelta(minutes=10)

Reason = dict[str, Any]
# When a transaction with a token succeeded, and what it contained.
Tokens = dict[str, tuple[datetime, str]]


class Transactions:
    """Transactions, and the tokens of those that succeeded lately."""

    def __init__(self, tables: Tables, now: Callable[[], datetime]) -> None:
        self.tables = tables
        self.now = now
        self.tokens: Tokens = {}

    def write(self, request: Request) -> dict[str, Any]:
        check_parameters("TransactWriteItems", request, frozenset(("TransactItems", "ClientRequestToken")))
        items = request["TransactItems"]
        if not 1 <= len(items) <= MOST_ITEMS:
            bound = f"less than or equal to {MOST_ITEMS}" if items else "greater than or equal to 1"
            failed = "Value at 'transactItems' failed to satisfy constraint"
            raise invalid(f"1 validation error detected: {failed}: Member must have length {bound}")
        token = request.get("ClientRequestToken")
        if token is None:
            _perform([_prepared(self.tables, item) for item in items])
        elif not self._is_repetition(token, content := repr(items)):
            _perform([_prepared(self.tables, item) for item in items])
            now = self.now()
            recent = {name: success for name, success in self.tokens.items() if now - success[0] < TOKEN_AGE}
            # Another dictionary: a snapshot may have this one.
            self.tokens = {**recent, token: (now, content)}
        return {}

    def _is_repetition(self, token: str, content: str) -> bool:
        """Whether this transaction succeeded already."""
        if not 1 <= len(token) <= MAX_TOKEN:
            failed = f"Value '{token}' at 'clientRequestToken' failed to satisfy constraint"
            bound = f"Member must have length less than or equal to {MAX_TOKEN}"
            raise invalid(f"1 validation error detected: {failed}: {bound}")
        if token not in self.tokens:
            return False
        at, before = self.tokens[token]
        if self.now() - at >= TOKEN_AGE:
            return False
        if before != content:
            raise Refused(
                "IdempotentParameterMismatchException",
                "The request uses the same client token as a previous, but non-identical request. Do not reuse a "
                "client token with different requests, unless the requests are identical",
            )
        return True


def _prepared(tables: Tables, item: Request) -> Write:
    if len(item) != 1 or next(iter(item)) not in KINDS:
        raise invalid("TransactItems can only contain one of Check, Put, Update or Delete")
    [(kind, request)] = item.items()
    if kind == "ConditionCheck" and request.get("ConditionExpression") is None:
        failed = (
            "Value null at 'transactItems.1.member.conditionCheck.conditionExpression' failed to satisfy constraint"
        )
        raise invalid(f"1 validation error detected: {failed}: Member must not be null")
    return prepared(kind, tables, request)


def _perform(writes: list[Write]) -> None:
    if sum(map(_size, writes)) > MAX_SIZE:
        raise invalid("Transaction request size cannot exceed 4 MB")
    _check_keys(writes)
    if len({(write.table.name, write.key) for write in writes}) < len(writes):
        raise invalid("Transaction request cannot include multiple operations on one item")
    rows: list[Row | None] = []
    _cancel_if_failed([_evaluate(write, rows) for write in writes])
    for write, row in zip(writes, rows, strict=True):
        write.apply(row)


def _size(write: Write) -> int:
    return item_size(write.item or write.key_attributes or {}) + item_size(write.values)


def _check_keys(writes: list[Write]) -> None:
    """Check items and keys against their tables.

    The first error cancels the transaction.
    """
    for number, write in enumerate(writes):
        try:
            write.check_key()
        except Refused as refused:
            reasons: list[Reason] = [{"Code": "None"} for _ in writes]
            reasons[number] = {"Code": "ValidationError", "Message": refused.message}
            _cancel_if_failed(reasons)


def _evaluate(write: Write, rows: list[Row | None]) -> Reason:
    """Add the row of a write to `rows`, or return the fault."""
    old = write.old()
    try:
        write.check_condition(old)
        rows.append(write.new(old))
    except ConditionFailed as failed:
        item = {"Item": failed.item} if failed.item else {}
        return {"Code": "ConditionalCheckFailed", "Message": CONDITION_FAILED, **item}
    except Refused as refused:
        return {"Code": "ValidationError", "Message": refused.message}
    return {"Code": "None"}


def _cancel_if_failed(reasons: list[Reason]) -> None:
    if all(reason["Code"] == "None" for reason in reasons):
        return
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    raise Refused("TransactionCanceledException", message, {"Message": message, "CancellationReasons": reasons})
