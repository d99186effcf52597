from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from functions.mail._message_facts import sender_and_subject
from shared.job import RunContext, days, find_missing_objects, hourly, natural, read_objects, tables
from shared.product.warned_purge import Notice, Row, WarnedPurge


class OverflowHoldExpiry(WarnedPurge):
    """Delete held messages after 30 days; warn owners a day before."""

    # Hourly: a delayed warning delays the deletion by an hour, not by a day.
    schedule = hourly(minute=20)
    table = tables.HOLDS
    objects: ClassVar = {"raw": tables.RAW}
    keep = days(30)
    warn = days(1)
    occurred = "held_at"
    idempotency = natural("a deleted row is not found again, and the notification's key prevents a second warning")
    permissions = (read_objects(f"{tables.RAW}*"), find_missing_objects())

    def notice(self, row: Row) -> Notice:
        # From the postmaster, not Porter: it is the last notice before mail is deleted.
        data = {"alias": row.item["alias"], "held_on": row.item["held_at"][:10]}
        return Notice("hold_purged_tomorrow", "postmaster", data)

    def facts(self, run: RunContext, row: Row) -> Mapping[str, str | int]:
        return sender_and_subject(run.cloud, row.item["raw"])
