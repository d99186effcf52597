"""BatchGetItem: consistent reads of many rows by their keys.

100 keys a call, with retries of the keys left unprocessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from shared.aws import attributes
from shared.store.throttling import KEYS_AT_ONCE, TRIES, Throttled
from shared.tables import TABLES

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.tables import Table

# Seconds before unprocessed keys are requested again; doubled each time.
PAUSE = 0.05
AnyKey = TypeVar("AnyKey", bound=tuple[str, ...])


class Key(NamedTuple):
    """Key of a row of any table.

    The table is given by its logical name.
    """

    table: str
    pk: str
    sk: str


def batch_get(cloud: Cloud, keys: Iterable[Key]) -> dict[Key, dict[str, Any]]:
    """Read rows of several tables; missing ones are left out. Raises Throttled."""
    tables = {table.name: table for table in TABLES}
    logical = {cloud.names.table(name): name for name in tables}
    found: dict[Key, dict[str, Any]] = {}
    for chunk in _chunks(keys):
        request: dict[str, Any] = {}
        for name, pk, sk in chunk:
            of_table = request.setdefault(cloud.names.table(name), {"Keys": [], "ConsistentRead": True})
            of_table["Keys"].append(attributes.row({tables[name].pk: pk, tables[name].sk: sk}))
        for physical, item in _read(cloud, request):
            table = tables[logical[physical]]
            found[Key(table.name, item[table.pk], item[table.sk])] = item
    return found


def batch_get_rows(
    cloud: Cloud,
    table: Table,
    keys: Iterable[tuple[str, str]],
    *,
    attributes_read: Sequence[str] = (),
    patient: bool = True,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one table that exist, in no order.

    Raises Throttled.

    keys: partition and sort key of each (a RowKey). attributes_read: all attributes if empty. patient: through the
    bulk client.
    """
    request: dict[str, Any] = {"ConsistentRead": True}
    if attributes_read:
        names = {f"#{number}": name for number, name in enumerate(attributes_read)}
        request |= {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
    for chunk in _chunks(keys):
        request["Keys"] = [attributes.row({table.pk: pk, table.sk: sk}) for pk, sk in chunk]
        for _, item in _read(cloud, {cloud.names.table(table.name): request}, patient=patient):
            yield item


def _chunks(keys: Iterable[AnyKey]) -> Iterator[list[AnyKey]]:
    # No BatchGetItem takes a key twice.
    wanted = list(dict.fromkeys(keys))
    for start in range(0, len(wanted), KEYS_AT_ONCE):
        yield wanted[start : start + KEYS_AT_ONCE]


def _read(cloud: Cloud, request: Any, *, patient: bool = True) -> Iterator[tuple[str, dict[str, Any]]]:
    client = cloud.bulk if patient else cloud.dynamodb
    for attempt in range(TRIES):
        answer = client.batch_get_item(RequestItems=request)
        for physical, items in answer["Responses"].items():
            yield from ((physical, attributes.plain(item)) for item in items)
        request = answer["UnprocessedKeys"]
        if not request:
            return
        cloud.clock.sleep(PAUSE * 2**attempt)
    left = ", ".join(f"{len(rest['Keys'])} rows of {physical}" for physical, rest in request.items())
    raise Throttled(f"{left} were not read in {TRIES} tries: DynamoDB accepts fewer reads")
