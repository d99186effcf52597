from __future__ import annotations

from shared.archetypes.purge import Purge
from shared.job import daily, days, natural, tables


class RollupExpiry(Purge):
    """Delete sums of days and weeks after 400 days."""

    schedule = daily(hour=4, minute=22)
    table = tables.ROLLUPS
    # Events are added up to a year late (rollup.LATEST), to a week that may have begun six days before.
    keep = days(400)
    idempotency = natural("a deleted sum is not found again, and no event is added that late")
