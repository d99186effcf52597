"""Perform the work of a run under its deadline.

Exceptions of the job become the outcome.
"""

from __future__ import annotations

import traceback

from shared.deadline import DeadlineExceeded, within
from shared.job.definition import Job
from shared.job.outcome import Failed, Lost, Outcome, Rejected
from shared.job.setting import SettingError
from shared.run.context import RunContext
from shared.store.fencing import Fenced


def perform(job: Job, run: RunContext) -> Outcome:
    """Call the job's own code and return its outcome.

    Here and nowhere else. Raises nothing that the job raises.
    """
    outcome = _outcome(job, run)
    if run.known_outcomes:
        # Imported lazily: few runs leave any.
        from shared.run import known_outcomes

        known_outcomes.settle(run)
    return _with_uncertain(run, outcome)


def _outcome(job: Job, run: RunContext) -> Outcome:
    seconds = run.work_seconds()
    if seconds <= 0:
        return failed(DeadlineExceeded("the run's time was over before its work began"))
    try:
        with within(seconds):
            return _work(job, run)
    except (Rejected, SettingError) as error:
        return failed(error, final=True)
    except Fenced as error:
        return Lost(str(error))
    except (Exception, DeadlineExceeded) as error:  # noqa: BLE001 - any exception of a job is its outcome
        return failed(error)


def failed(error: BaseException, final: bool = False) -> Failed:
    """Return the outcome for an exception. final: no retry can succeed."""
    return Failed(f"{type(error).__name__}: {error}", type(error).__name__, traceback.format_exc(), final)


def _work(job: Job, run: RunContext) -> Outcome:
    if run.batch is None:
        # Before any item is met, which would be blamed for it. A consumer defers its messages instead.
        job.check_settings(run.cloud.environment)
    if run.firing.plan:
        # Imported lazily: few runs apply a plan.
        from shared.run.apply_plan import apply_plan

        return apply_plan(job, run)
    if not job.shard_items and (started := run.start_shards(job.shards)):
        return started
    return job.work(run)


def _with_uncertain(run: RunContext, outcome: Outcome) -> Outcome:
    if not run.uncertain:
        return outcome
    # Imported lazily: few runs have uncertain effects.
    from shared.run import reconcile

    return reconcile.with_uncertain(outcome, run.cloud.names.stage, run.job.name, run.uncertain)
