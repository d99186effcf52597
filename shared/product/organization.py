"""Organizations, the tenants: whether one is there, what it may use, how it wants to be told, what is done about it.

`organizations`: `<id>` / `-` is itself; beside it are `member#<user>`, `flag#<feature>`, `key#<id>`, `receiver#<id>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from shared.aws import attributes
from shared.aws.permissions import Grant, read_rows
from shared.tables import ORGANIZATIONS

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.tenant import Tenant

ITSELF = "-"
# A consumer asks for the same few organizations again and again.
HELD = timedelta(minutes=1)
MOST_HELD = 10_000
THRESHOLDS = (60, 70, 80, 100)
GRANTS: tuple[Grant, ...] = (read_rows(ORGANIZATIONS.name),)
_held: WeakKeyDictionary[Cloud, dict[str, tuple[datetime, Organization | None]]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Organization:
    """limits: of features, `{feature: {"period": "month", "amount": 1000, "disableAt": 120}}`, the last in percent.

    thresholds: percents of a limit that are told of. policy: what is done on `approach`, `exceeded` and `reached`, each
    a list of `notify` and `disable`; absent ones are as by default. channels: by type of notification, a list of
    `email` and `webhook`; absent ones are as by default.
    """

    id: str
    state: str = "active"
    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    thresholds: tuple[int, ...] = THRESHOLDS
    policy: Mapping[str, list[str]] = field(default_factory=dict)
    channels: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        return self.state == "active"


def find(cloud: Cloud, tenant: Tenant) -> Organization | None:
    """As it was at most a minute ago; None where there is none. In the tenant's turn."""
    held, now = _held.setdefault(cloud, {}), cloud.clock.now()
    if tenant.id in held and now - HELD < held[tenant.id][0] <= now:
        return held[tenant.id][1]
    if len(held) >= MOST_HELD:
        held.clear()
    found = row(cloud, tenant, ITSELF)
    made = _of(tenant.id, found) if found else None
    held[tenant.id] = now, made
    return made


def admits(cloud: Cloud, tenant: Tenant) -> bool:
    """Whether it is there and at work: what consumers ask."""
    found = find(cloud, tenant)
    return found is not None and found.active


def row(cloud: Cloud, tenant: Tenant, sk: str) -> dict[str, Any]:
    """One of its rows as it is now; empty where there is none."""
    answer = cloud.dynamodb.get_item(
        TableName=cloud.names.table(ORGANIZATIONS.name),
        Key=attributes.row({"pk": tenant.id, "sk": sk}),
        ConsistentRead=True,
    )
    return attributes.plain(answer.get("Item"))


def all_rows(cloud: Cloud, tenant: Tenant, kind: str) -> list[dict[str, Any]]:
    """Its rows of a kind, as `member` or `receiver`."""
    pages = cloud.dynamodb.get_paginator("query").paginate(
        TableName=cloud.names.table(ORGANIZATIONS.name),
        KeyConditionExpression="pk = :pk AND begins_with(sk, :kind)",
        ExpressionAttributeValues=attributes.row({":pk": tenant.id, ":kind": f"{kind}#"}),
    )
    return [attributes.plain(item) for page in pages for item in page["Items"]]


def _of(key: str, found: Mapping[str, Any]) -> Organization:
    return Organization(
        id=key,
        state=str(found.get("state", "active")),
        limits=found.get("limits", {}),
        thresholds=tuple(found.get("thresholds", THRESHOLDS)),
        policy=found.get("policy", {}),
        channels=found.get("channels", {}),
    )
