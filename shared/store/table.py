"""Gateway to DynamoDB: read and write rows as plain data.

Writes may have a condition; lost replies are recognised.

A conditional write whose reply was lost is repeated by the SDK and then meets its own result: DynamoDB answers that the
condition does not hold although the write won. Callers pass `won`, which recognises the row that their write left. The
claim recognises its own by the run id, since it needs the row in either case.

Each function sends one request on the client with short timeouts; with `patient` on the bulk client, which waits longer
and leaves out the check of parameters. An empty range of keys is answered without a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.aws import attributes
from shared.store import key_range
from shared.store.keys import RowKey as RowKey

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.tables import Table

Plain = dict[str, Any]
# Whether the row as it stands is the one that this very write left.
Won = Callable[[Plain], bool]


class ConditionFailed(Exception):
    """The condition of a write does not hold, and nothing was written.

    item: the row as it stands, as plain data; empty where there is none.
    """

    def __init__(self, item: Plain) -> None:
        super().__init__("the condition of the write does not hold")
        self.item = item


def get(
    cloud: Cloud, table: Table, key: RowKey, *, attributes_read: Sequence[str] = (), consistent: bool = True
) -> Plain:
    """Read one row; empty where there is none.

    `attributes_read` limits what is returned, not what is paid for.
    """
    request: dict[str, Any] = {"TableName": cloud.names.table(table.name), "Key": _key(table, key)}
    if attributes_read:
        names = {f"#{number}": name for number, name in enumerate(attributes_read)}
        request |= {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
    return attributes.plain(cloud.dynamodb.get_item(**request, ConsistentRead=consistent).get("Item"))


def query(
    cloud: Cloud,
    table: Table,
    condition: str,
    values: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    attributes_read: Sequence[str] = (),
    patient: bool = False,
    **request: Any,
) -> Iterator[Plain]:
    """Yield the rows of a key condition, page by page.

    A key condition is `pk = :pk AND sk > :from`, for example.

    attributes_read: limits what is returned, not what is paid for. patient: through the bulk client, which waits longer
    for an answer. request: further parameters of Query as boto3 names them (IndexName, FilterExpression,
    ScanIndexForward, ConsistentRead, Limit: the page size).
    """
    if key_range.is_empty(condition, values):
        return
    request |= _query(cloud, table, condition, values, names or {}, attributes_read)
    for page in (cloud.bulk if patient else cloud.dynamodb).get_paginator("query").paginate(**request):
        yield from map(attributes.plain, page["Items"])


def query_page(
    cloud: Cloud,
    table: Table,
    condition: str,
    values: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    start: Any = None,
    patient: bool = False,
    **request: Any,
) -> tuple[list[Plain], Any]:
    """Read one page of a key condition.

    Returns its rows, and the `start` of the next page, None after the last one.
    """
    if key_range.is_empty(condition, values):
        return [], None
    request |= _query(cloud, table, condition, values, names or {}, ())
    if start:
        request["ExclusiveStartKey"] = start
    answer = (cloud.bulk if patient else cloud.dynamodb).query(**request)
    return [attributes.plain(item) for item in answer["Items"]], answer.get("LastEvaluatedKey")


def count(
    cloud: Cloud,
    table: Table,
    condition: str,
    values: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    **request: Any,
) -> int:
    """Number of rows of a key condition.

    Costs as much as reading them.
    """
    if key_range.is_empty(condition, values):
        return 0
    request |= {**_query(cloud, table, condition, values, names or {}, ()), "Select": "COUNT"}
    return sum(page["Count"] for page in cloud.dynamodb.get_paginator("query").paginate(**request))


def _query(
    cloud: Cloud,
    table: Table,
    condition: str,
    values: Mapping[str, Any],
    names: Mapping[str, str],
    attributes_read: Sequence[str],
) -> dict[str, Any]:
    request: dict[str, Any] = {
        "TableName": cloud.names.table(table.name),
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": attributes.row(values),
    }
    projected = {f"#read{number}": name for number, name in enumerate(attributes_read)}
    if projected:
        request["ProjectionExpression"] = ", ".join(projected)
    if names or projected:
        request["ExpressionAttributeNames"] = {**names, **projected}
    return request


def put(cloud: Cloud, table: Table, item: Mapping[str, Any]) -> None:
    """Write a row without a condition.

    For rows that are the same however often they are written.
    """
    cloud.dynamodb.put_item(TableName=cloud.names.table(table.name), Item=attributes.row(item))


def put_if(
    cloud: Cloud,
    table: Table,
    item: Mapping[str, Any],
    condition: str,
    values: Mapping[str, Any] | None = None,
    *,
    names: Mapping[str, str] | None = None,
    won: Won | None = None,
) -> None:
    """Write a row where the condition holds. Raises ConditionFailed."""
    _conditional(
        cloud,
        cloud.dynamodb.put_item,
        {"TableName": cloud.names.table(table.name), "Item": attributes.row(item)},
        condition,
        values,
        names,
        won,
    )


def put_if_absent(cloud: Cloud, table: Table, item: Mapping[str, Any], *, won: Won | None = None) -> bool:
    """Create a row; False where the key exists, and nothing is written."""
    try:
        put_if(cloud, table, item, f"attribute_not_exists({table.pk})", won=won)
    except ConditionFailed:
        return False
    return True


def update(
    cloud: Cloud,
    table: Table,
    key: RowKey,
    expression: str,
    values: Mapping[str, Any],
    *,
    condition: str = "",
    names: Mapping[str, str] | None = None,
    won: Won | None = None,
    return_new: bool = False,
    patient: bool = False,
) -> Plain:
    """Update a row and return it as it stood before.

    With `return_new` as it stands now. Raises ConditionFailed.

    Without a condition the expression must be one whose repetition changes nothing. After a lost reply the row as it
    stood before is empty. patient: through the bulk client.
    """
    request: dict[str, Any] = {
        "TableName": cloud.names.table(table.name),
        "Key": _key(table, key),
        "UpdateExpression": expression,
        "ReturnValues": "ALL_NEW" if return_new else "ALL_OLD",
    }
    call = (cloud.bulk if patient else cloud.dynamodb).update_item
    answer = _conditional(cloud, call, request, condition, values, names, won)
    return attributes.plain(answer.get("Attributes"))


def update_if(
    cloud: Cloud,
    table: Table,
    key: RowKey,
    expression: str,
    values: Mapping[str, Any],
    condition: str,
    *,
    names: Mapping[str, str] | None = None,
    won: Won | None = None,
    patient: bool = False,
) -> bool:
    """Update a row where the condition holds.

    False, and nothing written, where it does not.
    """
    request = {"TableName": cloud.names.table(table.name), "Key": _key(table, key), "UpdateExpression": expression}
    call = (cloud.bulk if patient else cloud.dynamodb).update_item
    try:
        _conditional(cloud, call, request, condition, values, names, won)
    except ConditionFailed:
        return False
    return True


def delete(
    cloud: Cloud,
    table: Table,
    key: RowKey,
    *,
    condition: str = "",
    values: Mapping[str, Any] | None = None,
    names: Mapping[str, str] | None = None,
    patient: bool = False,
) -> bool:
    """Delete a row; False where the condition does not hold.

    A missing row is deleted already.
    """
    request = {"TableName": cloud.names.table(table.name), "Key": _key(table, key)}
    call = (cloud.bulk if patient else cloud.dynamodb).delete_item
    try:
        _conditional(cloud, call, request, condition, values, names, None)
    except ConditionFailed:
        return False
    return True


def _conditional(
    cloud: Cloud,
    call: Callable[..., Any],
    request: dict[str, Any],
    condition: str,
    values: Mapping[str, Any] | None,
    names: Mapping[str, str] | None,
    won: Won | None,
) -> Mapping[str, Any]:
    if condition:
        request |= {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    if values:
        request["ExpressionAttributeValues"] = attributes.row(values)
    if names:
        request["ExpressionAttributeNames"] = dict(names)
    try:
        answer: Mapping[str, Any] = call(**request)
    except cloud.ConditionalCheckFailed as error:
        row = error.response.get("Item")
        item = attributes.plain(row)
        if won is None or not won(item):
            raise ConditionFailed(item) from None
        # DynamoDB no longer has the row as it stood before the write.
        return {"Attributes": row if request.get("ReturnValues") == "ALL_NEW" else {}}
    return answer


def _key(table: Table, key: RowKey) -> dict[str, Any]:
    return attributes.row({table.pk: key.pk, table.sk: key.sk})
