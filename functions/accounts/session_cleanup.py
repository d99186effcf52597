from __future__ import annotations

from shared.archetypes.purge import Purge
from shared.job import daily, days, natural, tables


class SessionCleanup(Purge):
    """Delete sessions that are past their idle or absolute timeout."""

    schedule = daily(hour=2, minute=12)
    table = tables.SESSIONS
    shards = 8
    # The index has the earlier timeout, which each use changes: a session that is used concurrently stays.
    keep = days(0)
    holds = ("since",)
    idempotency = natural("a deleted session is not found again, and one that was used since it was read stays")
