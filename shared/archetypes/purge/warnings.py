"""Rows whose owners have been warned that they go: they age from the warning on, in partitions of their own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from shared import clock
from shared.aws import attributes
from shared.store.age_index import AgeIndex, Row

if TYPE_CHECKING:
    from shared.run.context import RunContext

KIND = "warned"
# A run that begins within so much of its tick counts as begun at it: jitter shall not cost an hourly job an hour.
JITTER = timedelta(minutes=5)


def partition(found: str) -> str:
    """Where the rows of a partition go: `07` -> `warned#07`."""
    return f"{KIND}#{found}"


def partitions(found: Iterable[str]) -> list[str]:
    return [partition(one) for one in found]


def is_marked(row: Row) -> bool:
    return row.partition.startswith(f"{KIND}#")


def instant(run: RunContext) -> str:
    """From when on a row ages whose owner is warned by this run."""
    return clock.iso(run.started if run.started - run.at > JITTER else run.at)


def mark(run: RunContext, source: AgeIndex, row: Row, at: str) -> bool:
    """Let the row age from `at`. False where it has changed since it was read: its owner may have acted."""
    partition_name, since_name = source.keys
    values = {":was": row.partition, ":since": row.since, ":warned": partition(row.partition), ":at": at}
    try:
        run.cloud.dynamodb.update_item(
            TableName=run.cloud.names.table(source.table.name),
            Key=attributes.row({source.table.pk: row.pk, source.table.sk: row.sk}),
            UpdateExpression="SET #partition = :warned, #since = :at",
            ConditionExpression="#partition = :was AND #since = :since",
            ExpressionAttributeNames={"#partition": partition_name, "#since": since_name},
            ExpressionAttributeValues=attributes.row(values),
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except run.cloud.ConditionalCheckFailed as error:
        # Ours all the same, where the first reply was lost.
        now = attributes.plain(error.response.get("Item"))
        return (now.get(partition_name), now.get(since_name)) == (values[":warned"], at)
    return True
