"""Rows of the mail product in a test's tables."""

from __future__ import annotations

from typing import Any

from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.store.record import Record
from shared.tables import Table


def put(cloud: Cloud, *records: Record) -> None:
    for record in records:
        cloud.dynamodb.put_item(TableName=cloud.names.table(record.table.name), Item=attributes.row(record.item()))


def there(cloud: Cloud, table: Table, user: str = "") -> list[dict[str, Any]]:
    """All rows of a table, or of one user, in the order of their keys."""
    name = cloud.names.table(table.name)
    if user:
        asked = {":user": {"S": user}}
        pages = cloud.dynamodb.get_paginator("query").paginate(
            TableName=name, KeyConditionExpression=f"{table.pk} = :user", ExpressionAttributeValues=asked
        )
        return [attributes.plain(item) for page in pages for item in page["Items"]]
    found = [
        attributes.plain(item)
        for page in cloud.dynamodb.get_paginator("scan").paginate(TableName=name)
        for item in page["Items"]
    ]
    return sorted(found, key=lambda row: (row[table.pk], row[table.sk]))


def one(cloud: Cloud, table: Table, user: str, id: str = "-") -> dict[str, Any]:  # noqa: A002 - the key's own name
    """One row, or empty."""
    key = attributes.row({table.pk: user, table.sk: id})
    return attributes.plain(cloud.dynamodb.get_item(TableName=cloud.names.table(table.name), Key=key).get("Item"))
