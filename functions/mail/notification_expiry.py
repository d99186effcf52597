from __future__ import annotations

from shared.archetypes.purge import Purge
from shared.job import daily, days, natural, tables


class NotificationExpiry(Purge):
    """Delete e-mails to users from the log after 90 days, once they are sent or given up."""

    schedule = daily(hour=4, minute=48)
    table = tables.NOTIFICATIONS
    # A row keeps users from being told again of the same: for longer than whatever told them may come back.
    keep = days(90)
    idempotency = natural("a notification once deleted is not found again, and one that waits to be sent does not age")
