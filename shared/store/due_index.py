"""Query the due rows of a table through its index `due`.

Never scans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from typing import TYPE_CHECKING, Any

from shared.aws import attributes
from shared.store.age_index import Row
from shared.tables import Index, Table

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

PAGE = 500


def index_of(table: Table) -> Index:
    """Index `due` of the table. Raises StopIteration for a table without one."""
    return next(index for index in table.indexes if index.name == "due")


def rows_due(
    cloud: Cloud,
    table: Table,
    until: str,
    of_shard: Callable[[Sequence[str]], Sequence[str]] = lambda partitions: partitions,
) -> Iterator[Row]:
    """Yield the keys of rows due at `until` or before.

    The longest due first, over all partitions, or those that `of_shard` returns of them.

    Costs one query for each partition, and one for each further page of 500 rows.
    """
    index = index_of(table)
    parts = [_partition(cloud, table, index, name, until) for name in of_shard(index.partitions())]
    return merge(*parts, key=lambda row: (row.since, row.pk, row.sk))


def _partition(cloud: Cloud, table: Table, index: Index, partition: str, until: str) -> Iterator[Row]:
    start: dict[str, Any] = {}
    while True:
        answer = cloud.bulk.query(
            TableName=cloud.names.table(table.name),
            IndexName=index.name,
            KeyConditionExpression="#partition = :partition AND #due <= :until",
            ExpressionAttributeNames={"#partition": index.pk, "#due": index.sk},
            ExpressionAttributeValues=attributes.row({":partition": partition, ":until": until}),
            Limit=PAGE,
            **start,
        )
        for item in answer["Items"]:
            key = item[table.pk]["S"], item[table.sk]["S"]
            yield Row(*key, partition, item[index.sk]["S"], {})
        if "LastEvaluatedKey" not in answer:
            return
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
