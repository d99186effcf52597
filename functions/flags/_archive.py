"""Periods that are over: moved out of the month's row into rows of `<organization>#periods` / `<kind>#<period>`.

What comes late is counted in the month's row again, and added to the period's when that is moved the next time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from functions.flags import _periods
from functions.flags._counted_batches import month_key
from functions.flags._counters import DUE, counters
from functions.flags._messages import SKEW
from shared import clock
from shared.aws import attributes
from shared.messages.tenant import Tenant
from shared.tables import METERS, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

UNITS = "units#"
DAYS = "day"
# Hours are many; days and months stay.
HOURS_KEPT = timedelta(days=400)
# Counters of one transaction: an expression has 4,096 bytes.
AT_ONCE = 50
TRIES = 5


def periods_key(tenant: Tenant, period: str) -> dict[str, Any]:
    return attributes.row({"pk": tenant.key("periods"), "sk": f"{_periods.kind_of(period)}#{period}"})


def close(cloud: Cloud, tenant: Tenant, month: str, until: datetime) -> list[str]:
    """Move every period that was over by then out of the month's row; those that were moved, in order.

    What others write meanwhile is moved with it, or stays for the next time: a counter is moved as it stands, or not.
    """
    moved: list[str] = []
    for _ in range(TRIES):
        head = _head(cloud, tenant, month)
        try:
            for period, found in _over(head, until):
                _move(cloud, tenant, month, period, found, head)
                moved.append(period)
            if _periods.end(month) + SKEW <= until:
                _retire(cloud, tenant, month)
        except (cloud.dynamodb.exceptions.TransactionCanceledException, cloud.ConditionalCheckFailed):
            continue
        return list(dict.fromkeys(moved))
    return list(dict.fromkeys(moved))


def _over(head: Mapping[str, Any], until: datetime) -> Iterator[tuple[str, dict[str, int]]]:
    """Each period that is over, with its counters. Hours before days before months."""
    periods: dict[str, dict[str, int]] = {}
    for name, value in counters(head).items():
        periods.setdefault(name.partition("#")[0], {})[name] = value
    for period in sorted(periods, key=lambda period: (-len(period), period)):
        if _periods.end(period) + SKEW <= until:
            yield period, periods[period]


def _move(
    cloud: Cloud, tenant: Tenant, month: str, period: str, found: Mapping[str, int], head: Mapping[str, Any]
) -> None:
    names = sorted(found)
    for start in range(0, len(names), AT_ONCE):
        part = names[start : start + AT_ONCE]
        last = start + AT_ONCE >= len(names)
        told = [each for each in head.get("told", ()) if each.startswith(f"{period}#")] if last else []
        cloud.dynamodb.transact_write_items(
            TransactItems=[
                {"Update": _added(cloud, tenant, period, part, found)},
                {"Update": _taken(cloud, tenant, month, part, found, told)},
            ]
        )


def _added(cloud: Cloud, tenant: Tenant, period: str, names: Sequence[str], found: Mapping[str, int]) -> Any:
    now = cloud.clock.now()
    features = {f"#u{number}": f"{UNITS}{name.partition('#')[2]}" for number, name in enumerate(names)}
    sets, extra = {"closed": clock.iso(now)}, dict[str, Any]()
    match _periods.kind_of(period):
        case "day":
            # For the dashboards.
            extra = {DUE.pk: DUE.partition(tenant.id, DAYS), DUE.sk: clock.iso(now)}
        case "hour":
            extra = {TTL: int((_periods.end(period) + HOURS_KEPT).timestamp())}
    given = {**sets, **extra}
    return {
        "TableName": cloud.names.table(METERS.name),
        "Key": periods_key(tenant, period),
        "UpdateExpression": (
            f"ADD {', '.join(f'#u{number} :u{number}' for number in range(len(names)))} "
            f"SET {', '.join(f'#s{number} = :s{number}' for number in range(len(given)))}"
        ),
        "ExpressionAttributeNames": {**features, **{f"#s{number}": name for number, name in enumerate(given)}},
        "ExpressionAttributeValues": attributes.row(
            {
                **{f":u{number}": found[name] for number, name in enumerate(names)},
                **{f":s{number}": value for number, value in enumerate(given.values())},
            }
        ),
    }


def _taken(
    cloud: Cloud, tenant: Tenant, month: str, names: Sequence[str], found: Mapping[str, int], told: Sequence[str]
) -> Any:
    numbers = range(len(names))
    delete = " DELETE told :told" if told else ""
    return {
        "TableName": cloud.names.table(METERS.name),
        "Key": month_key(tenant, month),
        "UpdateExpression": f"REMOVE {', '.join(f'#c{number}' for number in numbers)}{delete}",
        "ConditionExpression": " AND ".join(f"#c{number} = :c{number}" for number in numbers),
        "ExpressionAttributeNames": {f"#c{number}": name for number, name in enumerate(names)},
        "ExpressionAttributeValues": {
            **{f":c{number}": attributes.pack(found[name]) for number, name in enumerate(names)},
            **({":told": {"SS": list(told)}} if told else {}),
        },
    }


def _retire(cloud: Cloud, tenant: Tenant, month: str) -> None:
    """A month that is over is looked at no more, until something late is counted in it."""
    head = _head(cloud, tenant, month)
    if DUE.pk not in head or counters(head):
        return
    # A batch that was counted since has changed one of these.
    there = {name: value for name, value in (("ids", _ids(head)), ("chunks", _chunks(head))) if value}
    asked: dict[str, Any] = {
        "TableName": cloud.names.table(METERS.name),
        "Key": month_key(tenant, month),
        "UpdateExpression": "REMOVE #due, #at",
        "ConditionExpression": " AND ".join(
            f"{name} = :{name}" if name in there else f"attribute_not_exists({name})" for name in ("ids", "chunks")
        ),
        "ExpressionAttributeNames": {"#due": DUE.pk, "#at": DUE.sk},
    }
    if there:
        asked["ExpressionAttributeValues"] = {f":{name}": value for name, value in there.items()}
    cloud.dynamodb.update_item(**asked)


def _ids(head: Mapping[str, Any]) -> Any:
    return {"SS": sorted(head["ids"])} if "ids" in head else None


def _chunks(head: Mapping[str, Any]) -> Any:
    return attributes.pack(head["chunks"]) if "chunks" in head else None


def _head(cloud: Cloud, tenant: Tenant, month: str) -> dict[str, Any]:
    answer = cloud.dynamodb.get_item(
        TableName=cloud.names.table(METERS.name), Key=month_key(tenant, month), ConsistentRead=True
    )
    return attributes.plain(answer.get("Item"))


def months(cloud: Cloud, partition: str, start: Any = None) -> tuple[list[tuple[Tenant, str]], Any]:
    """A page of months that still hold counters, by their organizations, and where to go on."""
    found, more = due(cloud, partition, start)
    heads = [row["pk"].split("#") for row in found]
    return [(Tenant(parts[0]), parts[2]) for parts in heads if len(parts) == 3], more


def due(cloud: Cloud, partition: str, start: Any = None, most: int = 100) -> tuple[list[dict[str, Any]], Any]:
    answer = cloud.dynamodb.query(
        TableName=cloud.names.table(METERS.name),
        IndexName=DUE.name,
        KeyConditionExpression="#due = :due",
        ExpressionAttributeNames={"#due": DUE.pk},
        ExpressionAttributeValues=attributes.row({":due": partition}),
        Limit=most,
        **({"ExclusiveStartKey": start} if start else {}),
    )
    return [attributes.plain(item) for item in answer["Items"]], answer.get("LastEvaluatedKey")
