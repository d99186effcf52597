"""The brake: a job that would do far more at a tick than it usually does pauses itself and asks."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

from shared import redaction
from shared.advised_commands import advised
from shared.aws import attributes
from shared.aws.names import NO_TARGET, STATE
from shared.job.outcome import Refused
from shared.observability import alerts
from shared.plans import BRAKE
from shared.tables import TTL

if TYPE_CHECKING:
    from shared.plans.plan import Plan
    from shared.run.context import RunContext


HISTORY = timedelta(days=30)
# What a tick may do is known once the job has worked on so many of those days: so many times a usual day's largest.
LEAST_DAYS = 3
FACTOR = 5
# How long what the brake was pulled for may be approved, and the plan of it carried out.
APPROVAL = timedelta(days=7)
# The sizes stand on the ledger's items of the days, and go with them.
KEPT = timedelta(days=90)
# A plan of more than this is left to a person at the command line: a run that stops shall not spend itself on it.
MOST_PLANNED = 1_000_000
RESERVE = 10
# Approved where there was too much to be counted.
ANY = sys.maxsize


class Sized(Protocol):
    """Something that is due. glance: the count of the first pages, and whether there is more. size: see ExpiredRows."""

    def glance(self) -> tuple[int, bool]: ...

    def size(self, most: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that one tick may do unasked, and why that much."""

    rows: int
    why: str


def check(run: RunContext, due: Sequence[Sized], most: int, few: int) -> Refused | bool:
    """Pull the brake where more of one kind is due than the job may do unasked. Else, whether an approval let it pass.

    most: what it may do in any case. few: what is never unusual; a tick of that size costs nothing here, a larger one a
    read of the job's sizes and one of its approval.
    """
    glances = [kind.glance() for kind in due]
    if all(size <= min(few, most) and not more for size, more in glances):
        return False
    bound, approved = _limit(run, most, few), _approved(run)
    ceiling = bound.rows + approved
    if approved == ANY or all(kind.size(ceiling) <= ceiling for kind in due):
        return approved > 0
    from shared.plans import draft, plan

    with draft.Draft() as drafted:
        complete = _drawn_up(run, drafted)
        if complete and max(drafted.counts.values(), default=0) <= ceiling:
            # Most of what is old enough stays for reasons of its own.
            return approved > 0
        made = plan.store(run.cloud, run.job, run, drafted, "brake", APPROVAL) if complete else None
    return _pull(run, bound, made)


def record_size(run: RunContext, size: int) -> None:
    """Keep the size of this tick where it is the day's largest. Writing it again writes the same."""
    now = run.cloud.clock.now()
    key = {"pk": f"ledger#{run.job.name}", "sk": f"{now:%Y-%m-%d}"}
    _write(
        run,
        key,
        "SET largest = :size, #expires = if_not_exists(#expires, :expires)",
        {":size": size, ":expires": int((now + KEPT).timestamp())},
        "attribute_not_exists(largest) OR largest < :size",
        {"#expires": TTL},
    )


def clear_approval(run: RunContext) -> None:
    """What was approved is done."""
    run.cloud.dynamodb.delete_item(TableName=run.cloud.names.table(STATE), Key=attributes.row(_key(run)))


def release(run: RunContext) -> None:
    """Forget the approval, and take the brake's own pause off; anybody else's stays."""
    clear_approval(run)
    _pause(run, "REMOVE paused", {":brake": BRAKE}, "begins_with(paused, :brake)")


def _limit(run: RunContext, most: int, few: int) -> Limit:
    """Five times what is usual: the median of the days' largest, which takes no notice of a single large one."""
    sizes = _largest(run)
    if len(sizes) < LEAST_DAYS:
        return Limit(most, f"{most:,} is the most it may do unasked")
    usual = round(median(sizes))
    if most < FACTOR * usual:
        return Limit(most, f"{usual:,} is usual, and {most:,} is the most it may do unasked")
    return Limit(max(min(few, most), FACTOR * usual), f"{usual:,} is usual")


def _largest(run: RunContext) -> list[int]:
    """The largest tick of each of the last 30 days that had one; today's are not among them."""
    today = run.cloud.clock.now().date()
    span = {":first": f"{today - HISTORY}", ":last": f"{today - timedelta(days=1)}"}
    answer = run.cloud.dynamodb.query(
        TableName=run.cloud.names.table(STATE),
        KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
        FilterExpression="attribute_exists(largest)",
        ExpressionAttributeValues=attributes.row({":pk": f"ledger#{run.job.name}", **span}),
    )
    return [attributes.plain(item)["largest"] for item in answer["Items"]]


def _drawn_up(run: RunContext, drafted: Any) -> bool:
    """Whether all that the job would do is in the draft; not where there is too much for what is left of the run."""
    for action in run.job.actions(run):
        if drafted.size >= MOST_PLANNED or run.remaining() < RESERVE:
            return False
        drafted.take(action)
    return True


def _pull(run: RunContext, bound: Limit, plan: Plan | None) -> Refused:
    """Alert, then pause. The row that is left then makes a later `resume` an approval of as much as is due now."""
    job, cloud = run.job, run.cloud
    size = max(plan.counts.values()) if plan else None
    due = f"{size:,}" if size else f"more than {bound.rows:,}"
    why = f"{due} due, {bound.why}"
    stage = cloud.names.stage
    first = advised(stage, "apply", plan.id) if plan else advised(stage, job.name, "--dry-run")
    resume = advised(stage, "resume", job.name)
    run.log.error(f"{job.name}_braked", status="paused", note=why, plan=plan.id if plan else None)
    # The alert first: a crash in between tells twice, the other order might leave a job paused that nobody knows of.
    told = {"job": job.name, "entityId": run.target, "jobId": run.run_id, "due": due, "why": why}
    shown = {"plan": plan.id, "until": plan.until, "would": plan.lines()} if plan else {}
    alerts.send(cloud, "JOB_BRAKED", job.name, {**told, **shown}, [first, resume], f"braked#{run.run_id}")
    if _pause(
        run, "SET paused = if_not_exists(paused, :why)", {":why": redaction.excerpt(f"{BRAKE}{why}", redaction.SHORT)}
    ):
        expires = int((cloud.clock.now() + APPROVAL).timestamp())
        row = {**_key(run), "size": size or ANY, "plan": plan.id if plan else None, TTL: expires}
        # After the pause: a run that finds this row takes its own being let run for an approval.
        cloud.dynamodb.put_item(TableName=cloud.names.table(STATE), Item=attributes.row(row))
    return Refused(f"{why}; it has paused itself. `{first}` does it, `{resume}` lets it go on")


def _approved(run: RunContext) -> int:
    """For how much the brake was pulled before. It is approved if we run at all: its pause has been lifted since."""
    found = run.cloud.dynamodb.get_item(
        TableName=run.cloud.names.table(STATE), Key=attributes.row(_key(run)), ConsistentRead=True
    )
    row = attributes.plain(found.get("Item"))
    size: int = row["size"] if row and row[TTL] > run.cloud.clock.now().timestamp() else 0
    return size


def _pause(run: RunContext, update: str, values: Mapping[str, Any], condition: str = "") -> bool:
    """On the claim item, while the claim is ours; whether it was."""
    if run.claim is None:
        return False
    ours = "#run = :run AND fence = :fence"
    key = {"pk": f"{run.job.key}:last", "sk": run.target if run.job.lease_per_target else NO_TARGET}
    held = {**values, ":run": run.claim.run, ":fence": run.claim.fence}
    return _write(run, key, update, held, f"{ours} AND {condition}" if condition else ours, {"#run": "run"})


def _write(
    run: RunContext,
    key: Mapping[str, str],
    update: str,
    values: Mapping[str, Any],
    condition: str,
    names: dict[str, str],
) -> bool:
    try:
        run.cloud.dynamodb.update_item(
            TableName=run.cloud.names.table(STATE),
            Key=attributes.row(key),
            UpdateExpression=update,
            ConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=attributes.row(values),
        )
    except run.cloud.ConditionalCheckFailed:
        return False
    return True


def _key(run: RunContext) -> dict[str, str]:
    return {"pk": f"brake#{run.job.name}", "sk": run.target}
