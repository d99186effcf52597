from __future__ import annotations

from shared.archetypes.purge import Purge
from shared.job import daily, days, natural, tables


class MessageMetadataCleanup(Purge):
    """Delete metadata and headers of messages after 90 days; their sums stay."""

    schedule = daily(hour=3, minute=36)
    table = tables.MESSAGES
    shards = 16
    along = (tables.SNAPSHOTS,)
    keep = days(90)
    # A row that is deleted before it was added up would be missing from the sums.
    behind = "bandwidth-rollup"
    timeout = 900
    idempotency = natural("a deleted row is not found again, and was added to the sums before")
