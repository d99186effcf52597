"""Limit the CPU time of all jobs of a plugin per hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from shared import clock
from shared.aws import permissions
from shared.aws.permissions import Grant
from shared.job import settings
from shared.run.context import RunContext
from shared.store import keys, table
from shared.store.keys import RowKey
from shared.store.table import ConditionFailed
from shared.tables import STATE, TTL

LIMIT = settings.count(
    "KB_PLUGIN_CPU_MS_PER_HOUR",
    3_600_000,
    "CPU milliseconds that all jobs of one plugin may use in an hour",
)
RETENTION = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Reservation:
    """CPU time that counts as used until it is settled."""

    key: RowKey
    milliseconds: int


def reserve(run: RunContext, plugin: str, milliseconds: int) -> Reservation | str:
    """Reserve CPU time, or return why the quota is used up."""
    limit, key = run.setting(LIMIT.name), _key(run, plugin)
    try:
        _add(run, key, milliseconds, limit)
    except ConditionFailed as error:
        used = error.item.get("ms", 0)
        return f"{plugin} has used {used:,} ms of CPU time in this hour; {LIMIT.name} allows {limit:,}"
    return Reservation(key, milliseconds)


def settle(run: RunContext, reserved: Reservation, milliseconds: int) -> None:
    """Replace the reservation by the time that was used.

    A lost reply makes it count twice.
    """
    _add(run, reserved.key, milliseconds - reserved.milliseconds)


def grants(plugin: str) -> tuple[Grant, ...]:
    return (permissions.update_rows(STATE.name, keys.plugin_hours(plugin)),)


def _add(run: RunContext, key: RowKey, milliseconds: int, limit: int | None = None) -> None:
    """Raises ConditionFailed where the limit is used up."""
    values = {":ms": milliseconds, ":expires": int((run.cloud.clock.now() + RETENTION).timestamp())}
    table.update(
        run.cloud,
        STATE,
        key,
        "ADD ms :ms SET #expires = :expires",
        values if limit is None else {**values, ":limit": limit},
        condition="" if limit is None else "attribute_not_exists(ms) OR ms < :limit",
        names={"#expires": TTL},
    )


def _key(run: RunContext, plugin: str) -> RowKey:
    return keys.plugin_hour(plugin, clock.minute(run.cloud.clock.now())[:13])
