from __future__ import annotations

from typing import ClassVar

from shared.archetypes.purge import Purge
from shared.job import daily, days, natural, tables


class SpamQuarantineExpiry(Purge):
    """Delete quarantined mail after 30 days, without notice."""

    schedule = daily(hour=3, minute=12)
    table = tables.QUARANTINE
    shards = 16
    objects: ClassVar = {"raw": tables.RAW}
    keep = days(30)
    timeout = 900
    idempotency = natural("a deleted row is not found again, and its message is deleted before it")
