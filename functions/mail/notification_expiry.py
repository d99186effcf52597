from __future__ import annotations

from shared.archetypes.purge import Purge
from shared.job import daily, days, natural, tables


class NotificationExpiry(Purge):
    """Delete sent and given-up notifications after 90 days."""

    schedule = daily(hour=4, minute=48)
    table = tables.NOTIFICATIONS
    shards = 8
    # A row prevents a second notification of the same: for longer than its cause can be repeated.
    keep = days(90)
    idempotency = natural("a deleted notification is not found again, and one that waits to be sent does not age")
