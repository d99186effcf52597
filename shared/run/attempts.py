"""Decide what follows an attempt that failed or was lost.

A retry, a dead letter, or nothing but the next tick.
"""

from __future__ import annotations

from enum import Enum

from shared.job.retry import RetryPolicy
from shared.run.firing import Firing


class NextStep(Enum):
    """The step after an attempt that did not succeed."""

    RETRY = "retry"
    DEAD_LETTER = "dead letter"
    #: Nothing is sent: the next tick does the work, or the caller has the exit code.
    NOTHING = "nothing"


def next_step(firing: Firing, policy: RetryPolicy, *, final: bool = False) -> NextStep:
    """Return what follows a failed or lost attempt of `firing`.

    Without retries the next tick does the work, and alerts follow from the streak of the job. final: no retry can
    succeed.

    A redriven dead letter becomes one again, so that its row counts the failure.
    """
    if not firing.retried:
        return NextStep.NOTHING
    if not final and policy.delay(firing.attempt) is not None:
        return NextStep.RETRY
    covered_by_next_tick = not policy.delays and not firing.letter
    return NextStep.NOTHING if covered_by_next_tick and not final else NextStep.DEAD_LETTER


def used_up(firing: Firing) -> str:
    """Return the reason of a dead letter after the last attempt."""
    return f"all {firing.attempt} attempts used up"
