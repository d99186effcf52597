from __future__ import annotations

from shared.archetypes.purge import Purge
from shared.job import daily, days, natural, tables


class WebhookLogCleanup(Purge):
    """Delete sent or permanently failed webhook deliveries after 30 days."""

    schedule = daily(hour=4, minute=24)
    table = tables.DELIVERIES
    shards = 8
    keep = days(30)
    idempotency = natural("a deleted delivery is not found again, and one that is retried does not age")
