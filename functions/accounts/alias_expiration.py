"""Expiration of aliases with an end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.archetypes.sweep import Attempt, AttemptResult, Row, Succeeded, Sweep
from shared.job import RunContext, daily, flag_check, tables
from shared.product import audit_trail
from shared.store import due_index

if TYPE_CHECKING:
    from datetime import datetime

    from shared.product.records.accounts import Alias

MILLISECOND = timedelta(milliseconds=1)


class AliasExpiration(Sweep):
    """Deactivate expired aliases, with an entry in their user's audit trail.

    An alias that expires exactly at the tick's time still forwards, and is deactivated by the next tick.
    """

    schedule = daily(hour=1, minute=8)
    table = tables.ALIASES
    record = "shared.product.records.accounts.Alias"
    cap = 100_000
    width = 16
    timeout = 600
    idempotency = flag_check("an inactive alias is not found, and one write deactivates it and adds its audit entry")
    permissions = audit_trail.GRANTS

    def rows(self, run: RunContext) -> Iterator[Row]:
        return due_index.rows_due(run.cloud, self.table, clock.iso(run.at - MILLISECOND))

    def attempt(self, attempt: Attempt) -> Succeeded:
        return Succeeded("deactivated")

    def on_success(self, item: Alias, result: AttemptResult) -> Mapping[str, Any]:
        return {"active": False, "deactivated_at": result.at}

    def on_retry(self, item: Alias, at: datetime) -> Mapping[str, Any]:
        # The expiry was set by the owner, and stays.
        return {}

    def with_puts(self, run: RunContext, item: Alias, result: AttemptResult) -> Sequence[Any]:
        assert item.expires_at is not None
        put = audit_trail.put(
            item.user,
            "alias.deactivated",
            self.name,
            item.expires_at,
            subject=item.id,
            data={"why": "expired"},
        )
        return (put,)
