"""Aliases that were made for a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared import clock, due, trail
from shared.aged import Row
from shared.archetypes.sweep import Sweep
from shared.attempt import End, Settled, Trial
from shared.idempotency import flag_check
from shared.schedule import daily
from shared.tables import ALIASES
from shared.tick import Tick

if TYPE_CHECKING:
    from datetime import datetime

    from shared.records.accounts import Alias

MILLISECOND = timedelta(milliseconds=1)


class AliasExpiration(Sweep):
    """Deactivate aliases that have expired, with an entry in their user's audit trail.

    One that expires at the tick's very instant still forwards; it goes with the next.
    """

    schedule = daily(hour=1, minute=8)
    table = ALIASES
    record = "accounts.Alias"
    cap = 100_000
    width = 16
    timeout = 600
    idempotency = flag_check("an alias that is not active is not found; its entry is written with that, or not at all")
    permissions = trail.GRANTS

    def rows(self, tick: Tick) -> Iterator[Row]:
        return due.rows_due(tick.cloud, self.table, clock.iso(tick.at - MILLISECOND))

    def attempt(self, trial: Trial) -> Settled:
        return Settled("deactivated")

    def settled(self, item: Alias, end: End) -> Mapping[str, Any]:
        return {"active": False, "deactivated_at": end.at}

    def again(self, item: Alias, at: datetime) -> Mapping[str, Any]:
        # Its instant is its owner's, and stays.
        return {}

    def along(self, tick: Tick, item: Alias, end: End) -> Sequence[Any]:
        assert item.expires_at is not None
        put = trail.put(
            tick.cloud,
            item.user,
            "alias.deactivated",
            self.name,
            item.expires_at,
            subject=item.id,
            data={"why": "expired"},
        )
        return (put,)
