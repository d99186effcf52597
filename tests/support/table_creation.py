"""Tables as the template makes them."""

from __future__ import annotations

from typing import Any

from shared.aws.names import Names
from shared.tables import Index, Table


def create_table(dynamodb: Any, names: Names, table: Table) -> None:
    keys = {table.pk, table.sk} | {key for index in table.indexes for key in (index.pk, index.sk)}
    extra: dict[str, Any] = {}
    if table.indexes:
        extra["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index.name,
                "KeySchema": _schema(index.pk, index.sk),
                "Projection": projection(index),
            }
            for index in table.indexes
        ]
    dynamodb.create_table(
        TableName=names.table(table.name),
        KeySchema=_schema(table.pk, table.sk),
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in sorted(keys)],
        BillingMode="PAY_PER_REQUEST",
        **extra,
    )


def projection(index: Index) -> Any:
    if index.include:
        return {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(index.include)}
    return {"ProjectionType": "ALL" if index.whole else "KEYS_ONLY"}


def _schema(pk: str, sk: str) -> Any:
    return [{"AttributeName": pk, "KeyType": "HASH"}, {"AttributeName": sk, "KeyType": "RANGE"}]
