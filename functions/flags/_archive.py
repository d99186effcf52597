"""Archive ended periods: move their counters out of the month's row.

One transaction moves the counters of a period to a row of its own. Usage that arrives late is counted in the month's
row again, and added to the archived period at the next move.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from functions.flags import _meter_keys, _periods
from functions.flags._counters import DUE, Row, counters
from shared import clock
from shared.messages.tenant import Tenant
from shared.store import table
from shared.store.table import ConditionFailed
from shared.store.transaction import TransactionCancelled, Update, write_together
from shared.tables import METERS, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

UNITS = "units#"
DAYS = "day"
T = TypeVar("T")
# Rows of hours expire, since there are many; those of days and months do not.
HOURS_RETAINED = timedelta(days=400)
# Counters per transaction: an expression has at most 4,096 bytes.
BATCH = 50
TRIES = 5


def close(cloud: Cloud, tenant: Tenant, month: str, row: str, until: datetime) -> list[str]:
    """Archive every period of a month's row that had ended by then.

    Returns the archived periods, in order. Usage that is counted concurrently is moved with the rest or by the next
    run: counters are moved only as read.
    """
    moved: list[str] = []
    for _ in range(TRIES):
        head = _head(cloud, tenant, month, row)
        try:
            for period, counts in _ended(head, until):
                _move(cloud, tenant, (month, row), period, counts, head)
                moved.append(period)
            if _periods.ended(month, until):
                _retire(cloud, tenant, month, row)
        except (TransactionCancelled, ConditionFailed):
            continue
        break
    return list(dict.fromkeys(moved))


def _ended(head: Mapping[str, Any], until: datetime) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield each ended period with its counters: hours, days, then months."""
    periods: dict[str, dict[str, int]] = {}
    for name, value in counters(head).items():
        periods.setdefault(name.partition("#")[0], {})[name] = value
    for period in sorted(periods, key=lambda period: (-len(period), period)):
        if _periods.ended(period, until):
            yield period, periods[period]


def _move(
    cloud: Cloud, tenant: Tenant, place: Row, period: str, counts: Mapping[str, int], head: Mapping[str, Any]
) -> None:
    names = sorted(counts)
    for start in range(0, len(names), BATCH):
        part = {name: counts[name] for name in names[start : start + BATCH]}
        last = start + BATCH >= len(names)
        notified = [key for key in head.get("told", ()) if key.startswith(f"{period}#")] if last else []
        write_together(
            cloud, [_addition(cloud, tenant, place[1], period, part), _removal(tenant, place, part, notified)]
        )


def _addition(cloud: Cloud, tenant: Tenant, row: str, period: str, counts: Mapping[str, int]) -> Update:
    now = clock.iso(cloud.clock.now())
    sets: dict[str, Any] = {"closed": now}
    match _periods.kind_of(period):
        case "day":
            # usage-aggregation finds the day by this index.
            sets |= {DUE.pk: DUE.partition(tenant.id, DAYS), DUE.sk: now}
        case "hour":
            sets[TTL] = int((_periods.end(period) + HOURS_RETAINED).timestamp())
    units = {f"u{number}": f"{UNITS}{name.partition('#')[2]}" for number, name in enumerate(counts)}
    attributes = {f"s{number}": name for number, name in enumerate(sets)}
    return Update(
        METERS,
        _meter_keys.period(tenant, period, row),
        f"ADD {', '.join(f'#{each} :{each}' for each in units)} "
        f"SET {', '.join(f'#{each} = :{each}' for each in attributes)}",
        names={f"#{each}": name for each, name in {**units, **attributes}.items()},
        values={
            f":{each}": value
            for each, value in zip((*units, *attributes), (*counts.values(), *sets.values()), strict=True)
        },
    )


def _removal(tenant: Tenant, place: Row, counts: Mapping[str, int], notified: Sequence[str]) -> Update:
    numbers = range(len(counts))
    delete = " DELETE told :told" if notified else ""
    values: dict[str, Any] = {f":c{number}": value for number, value in enumerate(counts.values())}
    return Update(
        METERS,
        _meter_keys.month(tenant, *place),
        f"REMOVE {', '.join(f'#c{number}' for number in numbers)}{delete}",
        condition=" AND ".join(f"#c{number} = :c{number}" for number in numbers),
        names={f"#c{number}": name for number, name in enumerate(counts)},
        values=values | ({":told": set(notified)} if notified else {}),
    )


def _retire(cloud: Cloud, tenant: Tenant, month: str, row: str) -> None:
    """Remove a row without counters of an ended month from the index.

    Late usage adds it again.
    """
    head = _head(cloud, tenant, month, row)
    if DUE.pk not in head or counters(head):
        return
    writes = head.get("writes")
    table.update(
        cloud,
        METERS,
        _meter_keys.month(tenant, month, row),
        "REMOVE #due, #at",
        {":writes": writes} if writes else {},
        # Counting a batch changes it. A row that an earlier release wrote has none.
        condition="writes = :writes" if writes else "attribute_not_exists(writes)",
        names={"#due": DUE.pk, "#at": DUE.sk},
    )


def _head(cloud: Cloud, tenant: Tenant, month: str, row: str) -> dict[str, Any]:
    return table.get(cloud, METERS, _meter_keys.month(tenant, month, row))


def months(cloud: Cloud, partition: str, start: Any = None) -> tuple[list[tuple[Tenant, str, str]], Any]:
    """Read a page of rows with counters.

    Returns tenant, month and row of each, and the next page's start.
    """
    rows, more = due(cloud, partition, start)
    heads = [(row["pk"].split("#"), row["sk"]) for row in rows]
    return [(Tenant(parts[0]), parts[2], sk) for parts, sk in heads if len(parts) == 3], more


def pages(read: Callable[..., tuple[list[T], Any]], cloud: Cloud, partition: str) -> Iterator[list[T]]:
    """Yield every page of `months` or `due`."""
    found, more = read(cloud, partition)
    yield found
    while more is not None:
        found, more = read(cloud, partition, more)
        yield found


def due(cloud: Cloud, partition: str, start: Any = None, limit: int = 100) -> tuple[list[dict[str, Any]], Any]:
    """Read a page of waiting rows, and the next page's start."""
    condition, values, names = "#due = :due", {":due": partition}, {"#due": DUE.pk}
    return table.query_page(cloud, METERS, condition, values, names=names, start=start, IndexName=DUE.name, Limit=limit)
