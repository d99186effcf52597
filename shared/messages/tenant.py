"""An organization at work: its keys, and a guard that lets nothing but its rows be touched while it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from shared import tables

if TYPE_CHECKING:
    from botocore.model import OperationModel

    from shared.aws.cloud import Cloud
    from shared.tables import Table

# `pk = :pk`, `#pk = :pk`: a partition is asked for by equality, there is no other way.
EQUALS = re.compile(r"(#?\w+)\s*=\s*(:\w+)")
# What none may call at work: none of them names a partition of its own.
WITHOUT_KEY = ("Scan", "ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction")


class OutsideTenant(Exception):
    """A call that is not bounded by the tenant's key; it was not sent. It is a fault of the job."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """Rows of an organization live in partitions whose keys begin with its id: `org_7`, `org_7#usage`."""

    id: str

    def key(self, kind: str) -> str:
        return f"{self.id}#{kind}"

    def owns(self, key: Any) -> bool:
        return isinstance(key, str) and (key == self.id or key.startswith(f"{self.id}#"))


class TenantGuard:
    """Of one cloud: whose turn it is. While they stand, all calls to tables that are `by_tenant` are for its rows."""

    def __init__(self, cloud: Cloud) -> None:
        self.standing = False
        self.tenant: Tenant | None = None
        self.tables: Mapping[str, Table] = {cloud.names.table(table.name): table for table in tables.TABLES}
        # Before a request is built, let alone sent.
        cloud.dynamodb.meta.events.register("before-parameter-build.dynamodb", self._check)

    @contextmanager
    def scope(self, tenant: Tenant | None) -> Iterator[None]:
        """For all threads, until the end of the block."""
        before = self.standing, self.tenant
        self.standing, self.tenant = True, tenant
        try:
            yield
        finally:
            self.standing, self.tenant = before

    def _check(self, params: Mapping[str, Any], model: OperationModel, **_: Any) -> None:
        if not self.standing:
            return
        for name, call in _calls(params):
            table = self.tables.get(name)
            if table is None or not table.by_tenant:
                continue
            if model.name in WITHOUT_KEY or self.tenant is None or not _bounded(self.tenant, table, call):
                whose = f"for {self.tenant.id}" if self.tenant else "for no tenant"
                raise OutsideTenant(
                    f"{model.name} on {name} {whose}: it is not bounded by the tenant's key; take the partition from "
                    "tenant.key(kind), and do it in the tenant's turn"
                )


_known: WeakKeyDictionary[Cloud, TenantGuard] = WeakKeyDictionary()


def guard(cloud: Cloud) -> TenantGuard:
    if cloud not in _known:
        _known[cloud] = TenantGuard(cloud)
    return _known[cloud]


def _calls(params: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each table's name, and what is asked of it; of batches and transactions one by one."""
    for each in params.get("TransactItems", ()):
        yield from ((call["TableName"], call) for call in each.values())
    for name, asked in params.get("RequestItems", {}).items():
        if isinstance(asked, Mapping):
            yield from ((name, {"Key": key}) for key in asked["Keys"])
        else:
            yield from ((name, call) for each in asked for call in each.values())
    if "TableName" in params:
        yield params["TableName"], params


def _bounded(tenant: Tenant, table: Table, call: Mapping[str, Any]) -> bool:
    row = call.get("Key", call.get("Item"))
    if row is not None:
        return tenant.owns(row.get(table.pk, {}).get("S"))
    index = next((index for index in table.indexes if index.name == call.get("IndexName")), table)
    names, values = call.get("ExpressionAttributeNames", {}), call.get("ExpressionAttributeValues", {})
    asked = EQUALS.findall(call.get("KeyConditionExpression", ""))
    keys = [values.get(value, {}).get("S") for name, value in asked if names.get(name, name) == index.pk]
    return bool(keys) and all(map(tenant.owns, keys))
