from __future__ import annotations

from typing import ClassVar

from shared.archetypes.purge import Purge
from shared.job import daily, days, natural, tables


class FailedEmailExpiry(Purge):
    """Delete failed e-mails after 7 days, once forwarding-retry has closed them."""

    schedule = daily(hour=3, minute=24)
    # While one is retried it is not in the index by age: its owner is told first, however long that takes.
    table = tables.FAILED_EMAILS
    objects: ClassVar = {"raw": tables.RAW}
    keep = days(7)
    idempotency = natural("a row once deleted is not found again, and its message goes before it")
