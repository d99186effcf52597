from __future__ import annotations

from shared.archetypes.purge import Purge
from shared.job import daily, days, natural, tables


class RollupExpiry(Purge):
    """Delete sums of days and weeks that are older than 400 days."""

    schedule = daily(hour=4, minute=22)
    table = tables.ROLLUPS
    # No event is counted that comes a year late (rollup.LATEST), in a week that may have begun six days before.
    keep = days(400)
    idempotency = natural("a sum once deleted is not found again, and no event is counted that late")
