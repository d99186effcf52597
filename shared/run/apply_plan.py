"""Apply a plan: do exactly its actions, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.advised_commands import advised
from shared.aws import attributes
from shared.aws.names import STATE
from shared.job.definition import Job
from shared.job.outcome import Done, Outcome, Refused
from shared.plans import brake, draft
from shared.plans.plan import Plan, PlanRefused, UnknownPlan, load, row_key

if TYPE_CHECKING:
    from shared.run.context import RunContext


def apply_plan(job: Job, run: RunContext) -> Outcome:
    """Do exactly what the tick's plan says. Refused where that is not, to the thing, what would be done now."""
    try:
        plan = load(run.cloud, run.firing.plan, begun=run.firing.part > 0)
        if (plan.job, plan.target) != (job.name, run.target):
            raise PlanRefused(f"plan {plan.id} is of {plan.job} {plan.target}, not of {job.name} {run.target}")
        done = _begin(job, run, plan) if run.firing.part == 0 else run.checkpoint["done"]
    except (UnknownPlan, PlanRefused) as error:
        return Refused(error.args[0])
    outcome = job.apply(run, islice(plan.actions(run.cloud), done, None))
    if isinstance(outcome, Done) and outcome.checkpoint is None:
        _mark(run, plan, "SET applied = :now", {":now": clock.iso(run.cloud.clock.now())}, "attribute_exists(begun)")
        brake.release(run)
    return outcome


def _begin(job: Job, run: RunContext, plan: Plan) -> int:
    """Compare the plan with the world, then take it: 0, the number of actions done. Raises PlanRefused."""
    cutoff = clock.iso(job.cutoff(run))
    if cutoff != plan.cutoff:
        raise PlanRefused(f"plan {plan.id} is of what was due by {plan.cutoff}; by the settings now, it is {cutoff}")
    with draft.from_actions(job.actions(run)) as now:
        if now.digest != plan.digest:
            planning = advised(run.cloud.names.stage, plan.job, "--dry-run")
            raise PlanRefused(
                f"the world has moved since plan {plan.id}: it was {_counted(plan.counts)}, now it would be "
                f"{_counted(now.counts)}, or not the same ones; `{planning}` makes a new plan"
            )
    # A repeat after a lost reply finds the run's own mark.
    if not _mark(run, plan, "SET begun = :run", {":run": run.run_id}, "attribute_not_exists(begun) OR begun = :run"):
        raise PlanRefused(f"plan {plan.id} was begun by another run in this very moment")
    return 0


def _mark(run: RunContext, plan: Plan, update: str, values: Mapping[str, Any], condition: str) -> bool:
    try:
        run.cloud.dynamodb.update_item(
            TableName=run.cloud.names.table(STATE),
            Key=attributes.row(row_key(plan.id)),
            UpdateExpression=update,
            ConditionExpression=condition,
            ExpressionAttributeValues=attributes.row(values),
        )
    except run.cloud.ConditionalCheckFailed:
        return False
    return True


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{verb} {count:,}" for verb, count in counts.items()) or "nothing"
