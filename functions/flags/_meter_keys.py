"""Keys of the table `meters`: every partition begins with the organization's id.

The rows of a month, its periods and its dashboard are split by feature, see `_feature_rows`; `-` is the first one.
"""

from __future__ import annotations

from functions.flags import _periods
from shared.messages.tenant import Tenant
from shared.product import usage_sums
from shared.store.keys import ONLY, RowKey

FIRST = ONLY


def batch(tenant: Tenant, batch_id: str) -> RowKey:
    """`<organization>#batch#<batch id>` / `-`: a batch that was counted."""
    return RowKey(tenant.key(f"batch#{batch_id}"), ONLY)


def month(tenant: Tenant, month: str, row: str = FIRST) -> RowKey:
    """`<organization>#month#<yyyy-mm>` / `<row>`: counters of a month."""
    return RowKey(tenant.key(f"month#{month}"), row)


def periods(tenant: Tenant, row: str = FIRST) -> str:
    """`<organization>#periods`, or `<organization>#periods#<row>`: hours, days and months that have ended."""
    return tenant.key("periods" if row == FIRST else f"periods#{row}")


def period(tenant: Tenant, period: str, row: str = FIRST) -> RowKey:
    """`<organization>#periods` / `<kind>#<period>`: the counters of one of them."""
    return RowKey(periods(tenant, row), f"{_periods.kind_of(period)}#{period}")


def dashboard(tenant: Tenant, month: str, row: str = FIRST) -> RowKey:
    """`<organization>#dashboard` / `<yyyy-mm>`, or `<yyyy-mm>#<row>`: the sums of a month."""
    return RowKey(usage_sums.partition(tenant), month if row == FIRST else f"{month}#{row}")
