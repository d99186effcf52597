"""What users have used, by day and week: for whoever shows it. Sums outlive the messages that they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from shared.aws import attributes
from shared.tables import ROLLUPS

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud


class Used(NamedTuple):
    """period: `2026-11-20`, or `2026-W47` of ISO 8601."""

    period: str
    bytes_used: int
    messages: int


def days(cloud: Cloud, user: str, first: date, last: date) -> Iterator[Used]:
    """In order, without days on which there was nothing. A query of one partition."""
    return _between(cloud, user, "day", f"{first}", f"{last}")


def weeks(cloud: Cloud, user: str, first: date, last: date) -> Iterator[Used]:
    """The weeks that these days lie in."""
    return _between(cloud, user, "week", *(f"{day:%G-W%V}" for day in (first, last)))


def _between(cloud: Cloud, user: str, kind: str, first: str, last: str) -> Iterator[Used]:
    pages = cloud.dynamodb.get_paginator("query").paginate(
        TableName=cloud.names.table(ROLLUPS.name),
        KeyConditionExpression="pk = :user AND sk BETWEEN :first AND :last",
        ExpressionAttributeValues=attributes.row(
            {":user": user, ":first": f"{kind}#{first}", ":last": f"{kind}#{last}"}
        ),
    )
    for page in pages:
        for row in map(attributes.plain, page["Items"]):
            yield Used(row["sk"].partition("#")[2], row.get("bytes_used", 0), row.get("messages", 0))
