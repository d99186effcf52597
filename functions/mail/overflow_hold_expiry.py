from __future__ import annotations

from typing import ClassVar

from shared.job import days, hourly, natural, tables
from shared.product.warned_purge import Notice, WarnedPurge
from shared.store.age_index import Row


class OverflowHoldExpiry(WarnedPurge):
    """Purge held messages after 30 days, warning their owner the day before."""

    # Hourly, so that a warning that comes late costs an hour and not a day.
    schedule = hourly(minute=20)
    table = tables.HOLDS
    objects: ClassVar = {"raw": tables.RAW}
    keep = days(30)
    warn = days(1)
    idempotency = natural(
        "a row once deleted is not found again, and its owner is warned once by the notification's key"
    )

    def notice(self, row: Row) -> Notice:
        # From the postmaster, not Porter: this is the last word before mail is lost.
        told = {"alias": row.item["alias"], "held_on": row.item["held_at"][:10]}
        return Notice("hold_purged_tomorrow", "postmaster", told)
