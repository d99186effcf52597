from __future__ import annotations

from shared.archetypes.purge import Purge
from shared.job import daily, days, natural, tables


class MessageMetadataCleanup(Purge):
    """Delete what is known of single messages after 90 days, and their headers; the sums stay."""

    schedule = daily(hour=3, minute=36)
    table = tables.MESSAGES
    along = (tables.SNAPSHOTS,)
    keep = days(90)
    # What is not in the sums yet would be missing from them for ever.
    behind = "bandwidth-rollup"
    timeout = 900
    idempotency = natural("a row once deleted is not found again, and no sum is made from it a second time")
