"""Apply a plan: do exactly its actions, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.advised_commands import advised
from shared.job.definition import Job
from shared.job.outcome import Done, Outcome, Refused
from shared.plans import brake, draft
from shared.plans.plan import Plan, PlanRefused, UnknownPlan, load
from shared.run.firing import Firing
from shared.store import keys, table
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.run.context import RunContext


def firing_for(plan: Plan) -> Firing:
    """Return the firing of the run that applies the plan."""
    return Firing(plan.job, clock.parse(plan.at), target=plan.target, manual=True, retried=False, plan=plan.id)


def apply_plan(job: Job, run: RunContext) -> Outcome:
    """Apply the plan of the run's firing.

    Refused where the job would now do other actions than planned. A plan that was begun goes on where its last run
    ended: its own actions have changed the rows, and each action is done only on the version that it was planned for.
    """
    try:
        plan = load(run.cloud, run.firing.plan)
        if (plan.job, plan.target) != (job.name, run.target):
            raise PlanRefused(f"plan {plan.id} is of {plan.job} {plan.target}, not of {job.name} {run.target}")
        done = (run.checkpoint or {}).get("done", 0) if plan.begun else _begin(job, run, plan)
    except (UnknownPlan, PlanRefused) as error:
        return Refused(error.args[0])
    outcome = job.apply(run, islice(plan.actions(run.cloud), done, None))
    if isinstance(outcome, Done) and outcome.checkpoint is None:
        _update(run, plan, "SET applied = :now", {":now": clock.iso(run.cloud.clock.now())}, "attribute_exists(begun)")
        brake.release(run)
    return outcome


def _begin(job: Job, run: RunContext, plan: Plan) -> int:
    """Compare the plan with what is due now, and take it.

    Return 0, the number of actions done. Raises PlanRefused.
    """
    cutoff = clock.iso(job.cutoff(run))
    if cutoff != plan.cutoff:
        raise PlanRefused(f"plan {plan.id} has the cutoff {plan.cutoff}; by the settings now, it is {cutoff}")
    with draft.from_actions(job.actions(run)) as now:
        if now.digest != plan.digest:
            planning = advised(run.cloud.names.stage, plan.job, "--dry-run")
            raise PlanRefused(
                f"the data has changed since plan {plan.id}: it was {_counts(plan.counts)}, now it would be "
                f"{_counts(now.counts)}, or not the same ones; `{planning}` makes a new plan"
            )
    # A repeat after a lost reply finds the run's own id.
    if not _update(run, plan, "SET begun = :run", {":run": run.run_id}, "attribute_not_exists(begun) OR begun = :run"):
        raise PlanRefused(f"plan {plan.id} was begun by another run at the same time")
    return 0


def _update(run: RunContext, plan: Plan, expression: str, values: Mapping[str, Any], condition: str) -> bool:
    return table.update_if(run.cloud, STATE, keys.plan(plan.id), expression, values, condition)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{verb} {count:,}" for verb, count in counts.items()) or "nothing"
