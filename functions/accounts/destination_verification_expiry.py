from __future__ import annotations

from shared.archetypes.purge import Purge
from shared.job import daily, days, natural, tables


class DestinationVerificationExpiry(Purge):
    """Delete tokens to verify a destination with that have expired; a destination that is verified needs none."""

    schedule = daily(hour=2, minute=36)
    table = tables.VERIFICATIONS
    # They age from the instant at which they expire.
    keep = days(0)
    idempotency = natural("a token once deleted is not found again, and none that expires later is looked at")
