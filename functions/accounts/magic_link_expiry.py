from __future__ import annotations

from shared.archetypes.purge import Purge
from shared.job import daily, days, natural, tables


class MagicLinkExpiry(Purge):
    """Delete expired magic links."""

    schedule = daily(hour=2, minute=24)
    table = tables.MAGIC_LINKS
    # The index has the time at which they expire.
    keep = days(0)
    idempotency = natural("a deleted token is not found again, and one that expires later is not selected")
