from __future__ import annotations

from shared.archetypes.purge import Purge
from shared.job import daily, days, natural, tables


class SessionCleanup(Purge):
    """Delete sessions that are past their idle or their absolute timeout."""

    schedule = daily(hour=2, minute=12)
    table = tables.SESSIONS
    # They age from the earlier of the two, which each use moves on: one that is used meanwhile stays.
    keep = days(0)
    holds = ("since",)
    idempotency = natural("a session once deleted is not found again, and one that was used since is left")
