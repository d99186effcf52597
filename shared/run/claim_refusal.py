"""Refusal of a claim: the reason, found in the claim item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.job.outcome import Reason
from shared.plans import BRAKE
from shared.run.claim_write import ahead, lease_expired, without_ended_pauses
from shared.run.firing import MAX_SKEW, Firing

if TYPE_CHECKING:
    from shared.run.budget_usage import BudgetUsage


@dataclass(frozen=True, slots=True)
class ClaimRefusal:
    """The reason why a run got no claim."""

    #: Why the claim was refused.
    reason: Reason
    #: The last run that claimed the item; for a duplicate the winner.
    run: str = ""
    #: Seconds until the lease of the holder ends.
    wait: int = 0
    #: Explanation for people.
    note: str = ""
    #: The usage, where the budget is used up.
    budget_usage: BudgetUsage | None = None
    #: The item whose holder was interrupted, which is the only reason; else empty.
    interrupted: Mapping[str, Any] = field(default_factory=dict)


def refusal(item: Mapping[str, Any], firing: Firing, now: datetime, usage: BudgetUsage | None) -> ClaimRefusal:
    """Find the reason in the item as it stood at the refusal."""
    run, last_attempt = item.get("run", ""), item.get("last_attempt", "")
    expired = item if lease_expired(item, now) else {}
    item = without_ended_pauses(item, now)
    if "paused" in item and not (firing.plan and str(item["paused"]).startswith(BRAKE)):
        # Imported lazily: few claims meet a pause.
        from shared.run import pauses

        return ClaimRefusal(Reason.PAUSED, run, note=pauses.note_of(item))
    if not firing.manual:
        last = item.get("last", "")
        if last > firing.position:
            wrong = "; it is ahead of the clock" if last > ahead(now, MAX_SKEW) else ""
            return ClaimRefusal(Reason.SUPERSEDED, run, note=f"a later tick, {last}, is done{wrong}")
        made = last_attempt.startswith(firing.position) and last_attempt >= firing.dedup_key
        # The attempt of an interrupted holder may be repeated.
        if last == firing.position or (made and not expired):
            return ClaimRefusal(Reason.DEDUPLICATED, run, note=f"this tick was taken by {run}")
    if usage and usage.used_up:
        return ClaimRefusal(Reason.PAUSED, run, note=usage.pause_reason, budget_usage=usage)
    if expired:
        return ClaimRefusal(Reason.LOCKED, run, note=f"{item['holder']} was interrupted", interrupted=expired)
    wait = max(0, -((clock.milliseconds(now) - item.get("lease_until", 0)) // 1000))
    return ClaimRefusal(Reason.LOCKED, run, wait, f"{item.get('holder', run)} holds the lease for {wait} s more")
