from __future__ import annotations

from shared.archetypes.purge import Purge
from shared.job import daily, days, natural, tables


class MagicLinkExpiry(Purge):
    """Delete magic links that have expired."""

    schedule = daily(hour=2, minute=24)
    table = tables.MAGIC_LINKS
    # They age from the instant at which they expire.
    keep = days(0)
    idempotency = natural("a token once deleted is not found again, and none that expires later is looked at")
