from __future__ import annotations

from shared.archetypes.purge import Purge
from shared.job import daily, days, natural, tables


class WebhookLogCleanup(Purge):
    """Delete deliveries to webhooks from the log after 30 days, once they are over."""

    schedule = daily(hour=4, minute=24)
    table = tables.DELIVERIES
    keep = days(30)
    idempotency = natural("a delivery once deleted is not found again, and one that is still retried does not age")
