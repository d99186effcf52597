from __future__ import annotations

from shared.job import RunContext, daily, days, natural, read_rows, tables
from shared.product.warned_purge import Notice, Row, WarnedPurge
from shared.store import table


class UnverifiedDestinationExpiry(WarnedPurge):
    """Delete destinations unverified for 30 days; warn owners a week before."""

    schedule = daily(hour=2, minute=48)
    table = tables.DESTINATIONS
    keep = days(30)
    warn = days(7)
    occurred = "created_at"
    costly = True
    idempotency = natural("a deleted row is not found again, and the notification's key prevents a second warning")
    permissions = (read_rows(tables.ALIASES.name),)

    def spare(self, run: RunContext, row: Row) -> str:
        """Keep a destination that an alias forwards to."""
        aliases = table.query(
            run.cloud,
            tables.ALIASES,
            "pk = :user",
            {":user": row.pk, ":destination": row.sk},
            attributes_read=("sk",),
            FilterExpression="destination = :destination",
        )
        return "an alias forwards to it" if next(aliases, None) else ""

    def notice(self, row: Row) -> Notice:
        data = {"address": row.item["address"], "added_on": row.item["created_at"][:10]}
        return Notice("destination_removed_soon", "postmaster", data)
