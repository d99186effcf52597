from __future__ import annotations

from shared.archetypes.purge import Purge
from shared.job import daily, days, natural, tables


class DestinationVerificationExpiry(Purge):
    """Delete expired verification tokens of destinations."""

    schedule = daily(hour=2, minute=36)
    table = tables.VERIFICATIONS
    # The index has the time at which they expire.
    keep = days(0)
    idempotency = natural("a deleted token is not found again, and one that expires later is not selected")
