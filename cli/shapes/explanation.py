"""Shape of `why`."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from cli.shapes.jobs import AdvisedCommand
from cli.shapes.runs import TracedRun


class HeldLease(TypedDict):
    """The lease of a job or shard."""

    #: Id of the run that holds it.
    run: str
    #: Timestamp of its end.
    until: str
    #: False for an expired lease, whose run was interrupted.
    alive: bool


_GapStart = TypedDict(
    "_GapStart",
    {
        #: Minute of the first tick.
        "from": str,
    },
)


class MissedTicks(_GapStart):
    """Consecutive ticks that left no trace."""

    #: Minute of the last tick.
    to: str
    #: Number of the ticks.
    count: int
    #: Position of the tick that did their work.
    covered: NotRequired[str]


class MissedTickFacts(TypedDict):
    """Known facts about the cause of a missed tick."""

    #: Names of rules and schedules that are disabled.
    disabled: list[str]
    #: Names of rules, schedules and functions that do not exist.
    missing: list[str]
    #: Name of the function whose reserved concurrency is 0; null for none.
    throttled: str | None
    #: Reason that the rules could not be read; null if they could.
    unreadable: str | None
    #: Id of the dead letter of an event that was not delivered; null for none.
    undelivered: str | None
    #: Other jobs that missed their ticks at that time.
    also_missed: list[str]
    #: Other jobs that did not.
    not_missed: list[str]


class UsedBudget(TypedDict):
    """A budget and what was spent of it."""

    #: Day or month.
    period: str
    #: Items and micros, millionths of a dollar, that were spent.
    spent: dict[str, int]
    #: Items and micros that may be spent.
    limits: dict[str, int]
    #: Whether one of the limits is reached.
    used_up: bool
    #: Timestamp of the end of the period.
    until: str


class TickExplanation(TypedDict):
    """The explanation of a tick, or of a job without ticks."""

    #: Name of the job.
    job: str
    #: Host or shard; `-` for the whole job.
    target: str
    #: Timestamp that was asked about.
    asked: str
    #: Timestamp of the tick; null for a job without a schedule.
    tick: str | None
    #: Outcome of the tick: `ran`, `late`, `failed`, `missed` and others; null without a tick.
    verdict: str | None
    #: Whether the tick was delivered more than once.
    again: bool
    #: Runs of the tick, the oldest first.
    runs: list[TracedRun]
    #: Other runs that started in that minute.
    others: list[TracedRun]
    #: The gap that the tick belongs to; null for none.
    missed: MissedTicks | None
    #: Cause of a missed tick; null for others.
    cause: MissedTickFacts | None
    #: Lease that is held now; null for none.
    lease: HeldLease | None
    #: Operator and reason of a pause of the job; null for none.
    paused: str | None
    #: Timestamp of its end; null for none.
    paused_until: str | None
    #: Pauses by part, as `target#shop.example` or `tenant#org_1`; null for none.
    pauses: dict[str, str] | None
    #: Id of the plan that the brake made; null for none.
    plan: str | None
    #: Reason that no run is allowed now; null if runs are.
    gate: str | None
    #: Budget of the job; null without one.
    budget: UsedBudget | None
    #: Id of the dead letter of these runs; null for none.
    dead_letter: str | None
    #: Messages by queue of a consumer; null for other jobs.
    waiting: dict[str, int] | None
    #: Number of reads that the explanation took.
    reads: int
    #: The explanation in sentences, the verdict first.
    says: list[str]
    #: Commands to act.
    commands: list[AdvisedCommand]
