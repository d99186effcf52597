"""Writes of several tenants at once: each thread has its tenant, and each tenant its own result."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from shared import tables
from shared.aws.cloud import Cloud
from shared.messages.tenant import OutsideTenant, Tenant, guard
from shared.messages.tenant_writes import write_by_tenant
from shared.store import table
from shared.store.keys import RowKey
from shared.tables import METERS

ONE, OTHER = Tenant("org_1"), Tenant("org_2")


def run(cloud: Cloud, seconds: float = 60) -> Any:
    return SimpleNamespace(cloud=cloud, remaining=lambda: seconds)


def put(cloud: Cloud, tenant: Tenant, value: str) -> str:
    table.put(cloud, METERS, {"pk": tenant.key("batch"), "sk": "-", "value": value})
    return value


def test_tenants_are_written_at_the_same_time(cloud: Cloud) -> None:
    together = threading.Barrier(2, timeout=20)

    def write(tenant: Tenant, _: str) -> str:
        together.wait()
        return tenant.id

    found = {tenant: result() for tenant, result in write_by_tenant(run(cloud), write, {ONE: "a", OTHER: "b"})}
    assert found == {ONE: "org_1", OTHER: "org_2"}


@pytest.mark.parametrize("items", [{ONE: "a"}, {ONE: "a", OTHER: "b"}])
def test_a_write_can_access_the_rows_of_its_tenant_only(cloud: Cloud, items: dict[Tenant, str]) -> None:
    def write(tenant: Tenant, value: str) -> str:
        with pytest.raises(OutsideTenant):
            put(cloud, Tenant("org_3"), value)
        return put(cloud, tenant, value)

    # Before the scope: the table is created by the first call that names it.
    put(cloud, Tenant("org_4"), "first")
    with guard(cloud).scope(None):
        assert {tenant: result() for tenant, result in write_by_tenant(run(cloud), write, items)} == items
        with pytest.raises(OutsideTenant):
            put(cloud, ONE, "outside")
    for tenant, value in items.items():
        assert table.get(cloud, METERS, RowKey(tenant.key("batch"), "-"))["value"] == value


def test_the_failure_of_one_tenant_is_its_own(cloud: Cloud) -> None:
    def write(tenant: Tenant, value: str) -> str:
        if tenant == ONE:
            raise ValueError(value)
        return value

    found = dict(write_by_tenant(run(cloud), write, {ONE: "a", OTHER: "b"}))
    with pytest.raises(ValueError, match="a"):
        found[ONE]()
    assert found[OTHER]() == "b"


def test_one_tenant_takes_no_thread(cloud: Cloud) -> None:
    [(_, result)] = write_by_tenant(run(cloud), lambda *_: threading.current_thread(), {ONE: "a"})
    assert result() is threading.current_thread()


def test_the_tables_of_this_test_are_guarded() -> None:
    assert METERS.by_tenant
    assert METERS in tables.TABLES
