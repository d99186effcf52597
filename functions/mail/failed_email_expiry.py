from __future__ import annotations

from typing import ClassVar

from shared.archetypes.purge import Purge
from shared.job import daily, days, natural, tables


class FailedEmailExpiry(Purge):
    """Delete failed e-mails after 7 days, once forwarding-retry has closed them."""

    schedule = daily(hour=3, minute=24)
    # A row is not in the index by age until its retries have ended and its owner was notified.
    table = tables.FAILED_EMAILS
    objects: ClassVar = {"raw": tables.RAW}
    keep = days(7)
    idempotency = natural("a deleted row is not found again, and its message is deleted before it")
