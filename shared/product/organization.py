"""Organizations, the tenants of the product.

Their state, limits, policy and notification channels.

Keys in the table `organizations`: `<id>` / `-` is the organization; its other rows have the sort keys `member#<user>`,
`flag#<feature>`, `key#<id>` and `receiver#<id>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from shared.aws.permissions import Grant, read_rows
from shared.store import table
from shared.store.keys import RowKey
from shared.tables import ORGANIZATIONS
from shared.text.whole_number import is_whole_number

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.tenant import Tenant

ITSELF = "-"
# Consumers read the same few organizations for message after message.
CACHE_AGE = timedelta(minutes=1)
CACHE_SIZE = 10_000
THRESHOLDS = (60, 70, 80, 100)
PERIODS = ("hour", "day", "month")
# Digits of the largest amount.
LONGEST = 18
GRANTS: tuple[Grant, ...] = (read_rows(ORGANIZATIONS.name),)
_cache: WeakKeyDictionary[Cloud, dict[str, tuple[datetime, Organization | None]]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Organization:
    id: str
    state: str = "active"
    #: By feature: `{"period": "month", "amount": 1000, "disableAt": 120}`, the last in percent.
    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Percents of a limit that trigger a notification.
    thresholds: tuple[int, ...] = THRESHOLDS
    #: Actions on `approach`, `exceeded` and `reached`: lists of `notify` and `disable`; absent ones have the default.
    policy: Mapping[str, list[str]] = field(default_factory=dict)
    #: Channels by type of notification: lists of `email` and `webhook`; absent ones have the default.
    channels: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        return self.state == "active"


def find(cloud: Cloud, tenant: Tenant) -> Organization | None:
    """The organization of a tenant, at most a minute old.

    None if it does not exist.
    """
    cached, now = _cache.setdefault(cloud, {}), cloud.clock.now()
    if tenant.id in cached and now - CACHE_AGE < cached[tenant.id][0] <= now:
        return cached[tenant.id][1]
    if len(cached) >= CACHE_SIZE:
        cached.clear()
    item = row(cloud, tenant, ITSELF)
    organization = _from_row(tenant.id, item) if item else None
    cached[tenant.id] = now, organization
    return organization


def admits(cloud: Cloud, tenant: Tenant) -> bool:
    """Whether the organization exists and is active.

    Consumers refuse the messages of others.
    """
    organization = find(cloud, tenant)
    return organization is not None and organization.active


def row(cloud: Cloud, tenant: Tenant, sk: str) -> dict[str, Any]:
    """Read one row of the organization, without the cache.

    Empty if it does not exist.
    """
    return table.get(cloud, ORGANIZATIONS, RowKey(tenant.id, sk))


def all_rows(cloud: Cloud, tenant: Tenant, kind: str) -> list[dict[str, Any]]:
    """Read all rows of a kind, such as `member` or `receiver`."""
    values = {":pk": tenant.id, ":kind": f"{kind}#"}
    return list(table.query(cloud, ORGANIZATIONS, "pk = :pk AND begins_with(sk, :kind)", values))


def _from_row(key: str, item: Mapping[str, Any]) -> Organization:
    return Organization(
        id=key,
        state=str(item.get("state", "active")),
        limits=_limits(item.get("limits")),
        thresholds=_thresholds(item.get("thresholds")),
        policy=_lists(item.get("policy")),
        channels=_lists(item.get("channels")),
    )


def _limits(limits: Any) -> dict[str, dict[str, Any]]:
    """Return the limits that can be applied.

    An invalid one must not fail the messages of its organization.
    """
    valid: dict[str, dict[str, Any]] = {}
    for feature, limit in limits.items() if isinstance(limits, Mapping) else ():
        amount = _count(limit.get("amount")) if isinstance(limit, Mapping) else None
        if amount and limit.get("period") in PERIODS:
            disable = _count(limit.get("disableAt"))
            valid[feature] = {
                "period": limit["period"],
                "amount": amount,
                **({"disableAt": disable} if disable else {}),
            }
    return valid


def _thresholds(percents: Any) -> tuple[int, ...]:
    if not isinstance(percents, list | set | tuple):
        return THRESHOLDS
    return tuple(percent for percent in map(_count, percents) if percent)


def _lists(named: Any) -> dict[str, list[str]]:
    """Return the lists of words by name; others count as absent."""
    if not isinstance(named, Mapping):
        return {}
    return {name: [*words] for name, words in named.items() if isinstance(words, list | set | tuple)}


def _count(value: Any) -> int | None:
    if isinstance(value, str) and len(value) <= LONGEST and is_whole_number(value):
        value = int(value)
    return value if type(value) is int and 0 < value < 10**LONGEST else None
