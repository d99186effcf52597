"""The conditional write that takes a claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.plans import BRAKE
from shared.redaction import text
from shared.run.firing import MAX_SKEW, Firing

if TYPE_CHECKING:
    from shared.job.budget import Budget

# The longest lease that any version of a job may hold: Lambda's limit for a run.
LONGEST_RUN = timedelta(minutes=15)

# The condition of a claim, in named parts. Two deliveries of the tick 22:05 in time, first attempt, hop 1:
#   22:05:00  A claims      last_attempt = 22:05Z#00#001#01, holder = A, lease_until = 22:06:10
#   22:05:01  B is refused  ATTEMPT_NOT_MADE: the same attempt, and NO_LEASE: A holds it
#   22:05:40  A fails       holder and lease_until removed; last unchanged; retry sent as attempt 2
#   22:05:41  B is refused  ATTEMPT_NOT_MADE: else it would start a second chain of retries
#   22:06:00  A2 claims     last_attempt = 22:05Z#00#002#03 is greater
# A position far ahead of the clock was written by a machine whose clock was wrong; it must not supersede other ticks.
TICK_NOT_DONE = "(attribute_not_exists(#last) OR #last < :position OR #last > :ahead)"
# Where the run before was interrupted (it was recorded as lost by this claimant) the attempt may be repeated.
ATTEMPT_NOT_MADE = (
    "(attribute_not_exists(last_attempt) OR NOT begins_with(last_attempt, :position) OR last_attempt < :attempt "
    "OR #run = :interrupted)"
)
# An interrupted holder is recorded first: the claim would replace what is known of it, and the claimant may be
# interrupted too.
NO_HOLDER = "attribute_not_exists(holder)"
# A pause with an end is over then, by itself.
NOT_PAUSED = "(attribute_not_exists(paused) OR paused_until <= :started)"
NOT_PAUSED_EXCEPT_BY_THE_BRAKE = f"({NOT_PAUSED} OR begins_with(paused, :brake))"
# The condition of all later writes of the run. A repeated finish meets it too, though the first one removed the holder.
# A run that was recorded as lost after its lease expired does not: its end is in the history, and the fence grew.
HOLDS_LEASE = "#run = :run AND fence = :fence"


# No run has this id.
NOBODY = "-"


@dataclass(slots=True)
class ClaimWrite:
    """Parts of the conditional write that takes a claim."""

    sets: list[str]
    removes: list[str]
    conditions: list[str]
    names: dict[str, str]
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def expression(self) -> str:
        return f"SET {', '.join(self.sets)} REMOVE {', '.join(self.removes)} ADD fence :one"

    @property
    def condition(self) -> str:
        return " AND ".join(self.conditions)


def claim_write(
    firing: Firing,
    run: str,
    request: str,
    now: datetime,
    seconds: float,
    budget: Budget | None,
    interrupted: str = "",
) -> ClaimWrite:
    """Return the write that claims an item for `run`.

    seconds: length of the lease. interrupted: the run before, if this claimant has recorded it as lost.
    """
    write = ClaimWrite(
        [
            "#run = :run, holder = :run, lease_until = :until",
            "invocation = :invocation, started = :started, #state = :processing",
        ],
        ["step", "progress"],
        [NO_HOLDER],
        {"#run": "run", "#state": "state"},
        {
            ":run": run,
            ":until": clock.milliseconds(now) + round(seconds * 1000),
            ":one": 1,
            ":invocation": request,
            ":started": clock.iso(now),
            ":processing": "PROCESSING",
        },
    )
    _require_no_pause(write, firing, now, budget)
    if firing.manual:
        # `last_attempt` stays that of the last tick, which a second delivery of it must meet.
        write.sets.append("manual = :manual")
        write.values[":manual"] = manual_label(firing)
        return write
    write.names["#last"] = "last"
    write.values |= {":position": firing.position, ":attempt": firing.dedup_key, ":ahead": ahead(now)}
    write.values[":interrupted"] = interrupted or NOBODY
    write.sets.append("last_attempt = :attempt")
    write.removes.append("manual")
    write.conditions += [TICK_NOT_DONE, ATTEMPT_NOT_MADE]
    return write


def ahead(now: datetime, by: timedelta = clock.FURTHEST_AHEAD) -> str:
    """Return the greatest position at most `by` ahead of the clock.

    Positions compare as text.
    """
    return f"{clock.minute(now + by)}#99"


def latest_lease(now: datetime, seconds: float) -> int:
    """Return the latest possible end of a lease, in epoch milliseconds."""
    return clock.milliseconds(now + MAX_SKEW) + round((LONGEST_RUN.total_seconds() + seconds) * 1000)


def lease_expired(item: Mapping[str, Any], now: datetime) -> bool:
    """Return whether the item has a holder whose lease has expired.

    Also one that ends later than any lease can: a machine whose clock was ahead gave it.
    """
    if "holder" not in item:
        return False
    until = int(item["lease_until"])
    return until < clock.milliseconds(now) or until > latest_lease(now, MAX_SKEW.total_seconds())


def manual_label(firing: Firing) -> str:
    """Return the id of a manual run's request, as history shows it."""
    return text(firing.id) or "manual"


def without_ended_pauses(item: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return a claim item without the pauses that have ended."""
    at = clock.iso(now)
    ended = {name for name in ("paused", "partial_pauses") if f"{name}_until" in item and item[f"{name}_until"] <= at}
    return {name: value for name, value in item.items() if name.removesuffix("_until") not in ended}


def _require_no_pause(write: ClaimWrite, firing: Firing, now: datetime, budget: Budget | None) -> None:
    """Add the conditions on pauses and on the budget."""
    if firing.plan:
        # Neither the brake nor the budget holds back a plan: the operator who applies it has seen its size.
        write.values[":brake"] = BRAKE
        write.conditions.append(NOT_PAUSED_EXCEPT_BY_THE_BRAKE)
        return
    write.conditions.append(NOT_PAUSED)
    # The condition holds only where a pause has ended.
    write.removes += ["paused", "paused_until"]
    if budget:
        from shared.run import budget_usage

        condition, names, values = budget_usage.claim_condition(budget, now)
        write.names |= names
        write.values |= values
        write.conditions.append(condition)
