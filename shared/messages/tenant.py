"""Tenants: keys of an organization, and a guard for its rows.

The guard limits DynamoDB calls to the rows of one tenant.
"""

from __future__ import annotations

import re
import threading
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

# `pk = :pk`, `#pk = :pk`: DynamoDB queries a partition by equality only.
EQUALS = re.compile(r"(#?\w+)\s*=\s*(:\w+)")
# Statements in PartiQL name their tables in text; the guard refuses them for all tables.
PARTIQL = ("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction")
# A table may be named by its ARN: arn:aws:dynamodb:us-east-1:123456789012:table/orders.
ARN = re.compile(r"arn:[^/]*:table/")


class OutsideTenant(Exception):
    """A call that is not limited to the tenant's key.

    It was not sent; the job must be corrected.
    """


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organization.

    The partition keys of its rows begin with its id: `org_7`, `org_7#usage`.
    """

    #: Id of the organization.
    id: str

    def key(self, kind: str) -> str:
        """Return the partition key of one kind of rows."""
        return f"{self.id}#{kind}"

    def owns(self, key: Any) -> bool:
        """Return whether a partition key is the organization's."""
        return isinstance(key, str) and (key == self.id or key.startswith(f"{self.id}#"))


class TenantGuard:
    """Limits the calls of one cloud to one tenant's rows.

    It applies to tables that are `by_tenant`.
    """

    #: Whether the guard is on.
    active: bool
    #: The current tenant; None: no tenant's rows may be accessed.
    tenant: Tenant | None

    def __init__(self, cloud: Cloud) -> None:
        self.active = False
        self.tenant = None
        # The tenant of a thread that has one of its own.
        self._thread = threading.local()
        self.tables: Mapping[str, Table] = {cloud.names.table(table.name): table for table in tables.TABLES}
        # Before a request is built and sent.
        cloud.dynamodb.meta.events.register("before-parameter-build.dynamodb", self._check)

    @contextmanager
    def scope(self, tenant: Tenant | None) -> Iterator[None]:
        """Limit calls to this tenant until the end of the block.

        The limit holds for all threads.
        """
        before = self.active, self.tenant
        self.active, self.tenant = True, tenant
        try:
            yield
        finally:
            self.active, self.tenant = before

    @contextmanager
    def thread_scope(self, tenant: Tenant) -> Iterator[None]:
        """Limit calls of this thread to this tenant.

        Other threads keep theirs: use it within a `scope`, to write the rows of several tenants at once.
        """
        before = getattr(self._thread, "tenant", None)
        self._thread.tenant = tenant
        try:
            yield
        finally:
            self._thread.tenant = before

    def _check(self, params: Mapping[str, Any], model: OperationModel, **_: Any) -> None:
        own: Tenant | None = getattr(self._thread, "tenant", None)
        if not self.active and own is None:
            return
        tenant = own or self.tenant
        owner = f"for {tenant.id}" if tenant else "for no tenant"
        if model.name in PARTIQL:
            raise OutsideTenant(f"{model.name} {owner}: PartiQL has no key to check; use GetItem, Query or a write")
        for name, call in _calls(params):
            table = self.tables.get(ARN.sub("", name, count=1))
            if table is None or not table.by_tenant:
                continue
            if model.name == "Scan" or tenant is None or not _within(tenant, table, call):
                raise OutsideTenant(
                    f"{model.name} on {name} {owner}: it is not limited to the tenant's key; take the partition key "
                    "from tenant.key(kind), within the tenant's scope"
                )


_guards: WeakKeyDictionary[Cloud, TenantGuard] = WeakKeyDictionary()


def guard(cloud: Cloud) -> TenantGuard:
    """Return the guard of a cloud; there is one per cloud."""
    if cloud not in _guards:
        _guards[cloud] = TenantGuard(cloud)
    return _guards[cloud]


def _calls(params: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield table name and parameters of each single call.

    Batches and transactions contain several.
    """
    for item in params.get("TransactItems", ()):
        yield from ((call["TableName"], call) for call in item.values())
    for name, request in params.get("RequestItems", {}).items():
        if isinstance(request, Mapping):
            yield from ((name, {"Key": key}) for key in request["Keys"])
        else:
            yield from ((name, call) for write in request for call in write.values())
    if "TableName" in params:
        yield params["TableName"], params


def _within(tenant: Tenant, table: Table, call: Mapping[str, Any]) -> bool:
    """Return whether a call reads or writes rows of the tenant only."""
    row = call.get("Key", call.get("Item"))
    if row is not None:
        return tenant.owns(row.get(table.pk, {}).get("S"))
    index = next((index for index in table.indexes if index.name == call.get("IndexName")), table)
    names, values = call.get("ExpressionAttributeNames", {}), call.get("ExpressionAttributeValues", {})
    conditions = EQUALS.findall(call.get("KeyConditionExpression", ""))
    keys = [values.get(value, {}).get("S") for name, value in conditions if names.get(name, name) == index.pk]
    return bool(keys) and all(map(tenant.owns, keys))
