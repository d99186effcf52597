"""DynamoDB three times: in memory, in moto, in the local engine; each with the same two tables."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from botocore import xform_name
from botocore.exceptions import ClientError

from proof.world.dynamodb import MemoryDynamoDb
from shared.tables import Index, Table
from tests.support.table_creation import projection

INDEXES = (Index("due", "due", "due_at", ("extra",)), Index("aged", "aged", "since"))
TABLES = (Table("plain", "a table without indexes"), Table("indexed", "a table with indexes", INDEXES))
START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

Call = tuple[str, Mapping[str, Any]]
# The answer of a call, or its error.
Outcome = dict[str, Any]
_numbers = itertools.count()


class Database(Protocol):
    """Two empty tables, `plain` and `indexed`."""

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]: ...


class RemoteDatabase:
    """Tables with names that nobody else uses, at a client of boto3."""

    def __init__(self, client: Any, tables: tuple[Table, ...] = TABLES) -> None:
        self.client = client
        self.names = {table.name: f"{table.name}-{next(_numbers)}" for table in TABLES}
        self.logical = {physical: name for name, physical in self.names.items()}
        for table in tables:
            create(client, table, self.names[table.name])

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        method = getattr(self.client, xform_name(operation))
        answer: dict[str, Any] = renamed(method(**renamed(request, self.names)), self.logical)
        return answer


def memory() -> MemoryDynamoDb:
    return MemoryDynamoDb(TABLES, str, lambda: START)


def named(calls: tuple[Call, ...]) -> tuple[Table, ...]:
    """The tables that calls name."""
    return tuple(table for table in TABLES if f"'{table.name}'" in repr(calls))


def create(client: Any, table: Table, name: str) -> None:
    keys = {table.pk, table.sk} | {key for index in table.indexes for key in (index.pk, index.sk)}
    indexes = [
        {
            "IndexName": index.name,
            "KeySchema": schema(index.pk, index.sk),
            "Projection": projection(index),
        }
        for index in table.indexes
    ]
    client.create_table(
        TableName=name,
        KeySchema=schema(table.pk, table.sk),
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in sorted(keys)],
        BillingMode="PAY_PER_REQUEST",
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    )


def schema(pk: str, sk: str) -> list[dict[str, str]]:
    return [{"AttributeName": pk, "KeyType": "HASH"}, {"AttributeName": sk, "KeyType": "RANGE"}]


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Replace the names of tables, as values of TableName and as keys of batches."""
    if not isinstance(value, dict):
        return [renamed(inner, names) for inner in value] if isinstance(value, list) else value
    found = {names.get(name, name): renamed(inner, names) for name, inner in value.items()}
    if found.get("TableName") in names:
        found["TableName"] = names[found["TableName"]]
    return found


def outcomes(database: Database, calls: tuple[Call, ...]) -> list[Outcome]:
    return [outcome(database, *call) for call in calls]


def outcome(database: Database, operation: str, request: Mapping[str, Any]) -> Outcome:
    """The part of an answer on which all must agree: no metadata, and of errors no text."""
    try:
        answer = database.call(operation, request)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        # moto's parser fails with any of them.
        return {"raised": type(error).__name__}
    except ClientError as error:
        response: Any = error.response
        reasons = [
            {name: ordered(reason[name]) for name in ("Code", "Item") if reason.get(name)}
            for reason in response.get("CancellationReasons", [])
        ]
        item = ordered(response.get("Item") or None)
        found = {"error": response["Error"]["Code"], "reasons": reasons, "item": item}
        return {name: value for name, value in found.items() if value}
    ignored = ("ResponseMetadata", "ConsumedCapacity", "ItemCollectionMetrics")
    return {name: ordered(value, name) for name, value in answer.items() if name not in ignored}


def ordered(value: Any, name: str = "") -> Any:
    """Sort what has no order: members of sets, and the answers of a batch."""
    if isinstance(value, dict):
        inner = "batch" if name == "Responses" else ""
        return {key: ordered(member, inner or key) for key, member in sorted(value.items())}
    if isinstance(value, list):
        members = [ordered(member) for member in value]
        return sorted(members, key=repr) if name in ("SS", "NS", "BS", "batch") else members
    return value
