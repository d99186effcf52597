"""The brake: a job pauses itself before an unusually large tick.

An operator approves it or not.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

from shared import redaction
from shared.advised_commands import advised
from shared.aws.names import NO_TARGET
from shared.job.outcome import Refused
from shared.observability import alerts
from shared.plans import BRAKE
from shared.store import keys, table
from shared.tables import STATE, TTL

if TYPE_CHECKING:
    from shared.plans.draft import Draft
    from shared.plans.plan import Plan
    from shared.run.context import RunContext


# The days whose sizes are compared.
HISTORY = timedelta(days=30)
# The usual size is known once the job has worked on this many of those days.
MIN_DAYS = 3
# A tick may do this many times the usual size.
FACTOR = 5
# How long an operator may approve, and apply the plan.
APPROVAL = timedelta(days=7)
# The sizes are attributes of the ledger's items of the days and expire with them.
SIZE_RETENTION = timedelta(days=90)
# More actions are not planned by the run: an operator does that with --dry-run.
MAX_PLANNED_ACTIONS = 1_000_000
# Seconds of the run that planning leaves for its end.
RESERVE = 10
# Approved size, where more was due than could be counted.
ANY = sys.maxsize


class Sized(Protocol):
    """Due items of one kind, such as ExpiredRows, which counts them."""

    def glance(self) -> tuple[int, bool]:
        """Return the count of the first pages, and whether there are more."""

    def size(self, most: int) -> int:
        """Count the items, up to `most` and one more."""


@dataclass(frozen=True, slots=True)
class BrakeLimit:
    """The maximum that a tick may do without approval."""

    #: Number of rows.
    rows: int
    #: Reason of the number, for people.
    why: str


def check(run: RunContext, due: Sequence[Sized], most: int, few: int) -> Refused | bool:
    """Brake an unusually large tick, or return whether it was approved.

    Braked where more of one kind is due than the job may do without approval.

    most: the maximum in any case. few: a size that is never unusual; up to it the check costs nothing, above it a read
    of the job's sizes and one of its approval.
    """
    glances = [kind.glance() for kind in due]
    if all(size <= min(few, most) and not more for size, more in glances):
        return False
    limit, approved = _limit(run, most, few), _approved(run)
    ceiling = limit.rows + approved
    if approved == ANY or all(kind.size(ceiling) <= ceiling for kind in due):
        return approved > 0
    # Imported lazily: few ticks reach the brake.
    from shared.plans import draft, plan

    with draft.Draft() as drafted:
        complete = _plan_all(run, drafted)
        if complete and max(drafted.counts.values(), default=0) <= ceiling:
            # Most of the expired rows are held back for other reasons.
            return approved > 0
        made = plan.create(run.cloud, run.job, run, drafted, "brake", APPROVAL) if complete else None
    return _brake(run, limit, made)


def record_size(run: RunContext, size: int) -> None:
    """Store the size of this tick where it is the day's largest.

    A repeat writes the same.
    """
    now = run.cloud.clock.now()
    table.update_if(
        run.cloud,
        STATE,
        keys.ledger_day(run.job.name, now.date()),
        "SET largest = :size, #expires = if_not_exists(#expires, :expires)",
        {":size": size, ":expires": int((now + SIZE_RETENTION).timestamp())},
        "attribute_not_exists(largest) OR largest < :size",
        names={"#expires": TTL},
    )


def clear_approval(run: RunContext) -> None:
    """Delete the approval once its work is done."""
    table.delete(run.cloud, STATE, keys.brake(run.job.name, run.target))


def release(run: RunContext) -> None:
    """Delete the approval and the pause of the brake.

    A pause by an operator stays.
    """
    clear_approval(run)
    _pause(run, "REMOVE paused", {":brake": BRAKE}, "begins_with(paused, :brake)")


def _limit(run: RunContext, most: int, few: int) -> BrakeLimit:
    """Return five times the usual size.

    Usual is the median of the days' largest ticks, which one large tick does not change.
    """
    sizes = _largest(run)
    if len(sizes) < MIN_DAYS:
        return BrakeLimit(most, f"{most:,} is the most it may do unasked")
    usual = round(median(sizes))
    if most < FACTOR * usual:
        return BrakeLimit(most, f"{usual:,} is usual, and {most:,} is the most it may do unasked")
    return BrakeLimit(max(min(few, most), FACTOR * usual), f"{usual:,} is usual")


def _largest(run: RunContext) -> list[int]:
    """Read the largest tick of each of the last 30 days.

    Days without one are left out, and so is today.
    """
    today = run.cloud.clock.now().date()
    days = {":first": f"{today - HISTORY}", ":last": f"{today - timedelta(days=1)}"}
    items = table.query(
        run.cloud,
        STATE,
        "pk = :pk AND sk BETWEEN :first AND :last",
        {":pk": keys.ledger(run.job.name), **days},
        FilterExpression="attribute_exists(largest)",
    )
    return [item["largest"] for item in items]


def _plan_all(run: RunContext, drafted: Draft) -> bool:
    """Add all actions to the draft.

    False where there are too many for the time that is left.
    """
    for action in run.job.actions(run):
        if drafted.size >= MAX_PLANNED_ACTIONS or run.remaining() < RESERVE:
            return False
        drafted.take(action)
    return True


def _brake(run: RunContext, limit: BrakeLimit, plan: Plan | None) -> Refused:
    """Alert, then pause, then write the row for the approval.

    A later `resume` approves the size that is due now.
    """
    cloud, stage = run.cloud, run.cloud.names.stage
    size = max(plan.counts.values()) if plan else None
    due = f"{size:,}" if size else f"more than {limit.rows:,}"
    why = f"{due} due, {limit.why}"
    first = advised(stage, "apply", plan.id) if plan else advised(stage, run.job.name, "--dry-run")
    resume = advised(stage, "resume", run.job.name)
    run.log.error(f"{run.job.name}_braked", status="paused", note=why, plan=plan.id if plan else None)
    # The alert first: a crash before the pause alerts twice, the reverse order might leave a pause without an alert.
    fields = {"job": run.job.name, "entityId": run.target, "jobId": run.run_id, "due": due, "why": why}
    planned = {"plan": plan.id, "until": plan.until, "would": plan.lines()} if plan else {}
    alerts.send(cloud, "JOB_BRAKED", run.job.name, {**fields, **planned}, [first, resume], f"braked#{run.run_id}")
    reason = redaction.excerpt(f"{BRAKE}{why}", redaction.SHORT)
    if _engage(run, reason):
        expires = int((cloud.clock.now() + APPROVAL).timestamp())
        key = keys.brake(run.job.name, run.target).attributes
        # After the pause: a run that finds this row was let run by an operator, which is the approval.
        table.put(cloud, STATE, {**key, "size": size or ANY, "plan": plan.id if plan else None, TTL: expires})
    return Refused(f"{why}; it has paused itself. `{first}` does it, `{resume}` lets it go on")


def _engage(run: RunContext, reason: str) -> bool:
    """Pause the job unless an operator has; false without the lease."""
    values = {":why": reason}
    if _pause(run, "SET paused = if_not_exists(paused, :why)", values, "attribute_not_exists(paused_until)"):
        return True
    # The end of an operator's pause is no approval: the brake replaces it.
    return _pause(run, "SET paused = :why REMOVE paused_until", values)


def _approved(run: RunContext) -> int:
    """Return the size for which the brake stopped the job before.

    A run proves that its pause was removed since.
    """
    row = table.get(run.cloud, STATE, keys.brake(run.job.name, run.target))
    size: int = row["size"] if row and row[TTL] > run.cloud.clock.now().timestamp() else 0
    return size


def _pause(run: RunContext, update: str, values: Mapping[str, Any], condition: str = "") -> bool:
    """Update the claim item while this run holds it.

    False where it does not.
    """
    if run.claim is None:
        return False
    own = "#run = :run AND fence = :fence"
    return table.update_if(
        run.cloud,
        STATE,
        keys.claim(run.job.key, run.target if run.job.lease_per_target else NO_TARGET),
        update,
        {**values, ":run": run.claim.run, ":fence": run.claim.fence},
        f"{own} AND {condition}" if condition else own,
        names={"#run": "run"},
    )
