"""Keys of the table `meters`: every partition begins with the organization's id."""

from __future__ import annotations

from functions.flags import _periods
from shared.messages.tenant import Tenant
from shared.store.keys import ONLY, RowKey


def month(tenant: Tenant, month: str) -> RowKey:
    """`<organization>#month#<yyyy-mm>` / `-`: counters and latest batches of a month."""
    return RowKey(tenant.key(f"month#{month}"), ONLY)


def chunks(tenant: Tenant, hour: str) -> str:
    """`<organization>#seen#<hour>`: the ids of older batches of an hour."""
    return tenant.key(f"seen#{hour}")


def chunk(tenant: Tenant, hour: str, number: int) -> RowKey:
    """`<organization>#seen#<hour>` / `<number>`: one chunk of these ids."""
    return RowKey(chunks(tenant, hour), f"{number:08d}")


def periods(tenant: Tenant) -> str:
    """`<organization>#periods`: the counters of hours, days and months that have ended."""
    return tenant.key("periods")


def period(tenant: Tenant, period: str) -> RowKey:
    """`<organization>#periods` / `<kind>#<period>`: the counters of one of them."""
    return RowKey(periods(tenant), f"{_periods.kind_of(period)}#{period}")


def dashboard(tenant: Tenant, month: str) -> RowKey:
    """`<organization>#dashboard` / `<yyyy-mm>`: the sums of a month."""
    return RowKey(tenant.key("dashboard"), month)
