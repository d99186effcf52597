"""Shapes of runs: results, plans, and rows of the history."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict

from cli.shapes.jobs import AdvisedCommand


class RunResult(TypedDict):
    """The result of a run in this process."""

    #: Name of the job.
    job: str
    #: Id of the run; null for a batch of messages, which has none.
    run_id: str | None
    #: Position of the tick; null for a batch of messages.
    tick: str | None
    #: Host or shard; `-` for the whole job.
    target: str
    #: Timestamp of the start.
    start: str
    #: Timestamp of the end.
    end: str
    #: The same as `outcome`.
    status: str
    #: How it ended: `done`, `failed`, `lost`, `refused`, `paused`, `locked` and others.
    outcome: str
    #: False for a failure, and for a run that is done and found something bad.
    ok: bool
    #: Duration in milliseconds.
    ms: int
    #: Counts that the job returned, by name.
    counts: dict[str, int]
    #: Reason of a skip or a bad result; empty for none.
    note: str
    #: Error of a failure; null without one.
    error: str | None
    #: Key of the first artifact in the bucket; null without artifacts.
    artifact: str | None
    #: Of a batch only: ids of the messages that failed.
    failures: NotRequired[list[str]]


class PlannedRun(TypedDict):
    """The result of a dry run."""

    #: Name of the job.
    job: str
    #: Position of the tick.
    tick: str
    #: Host or shard; `-` for the whole job.
    target: str
    #: Always true: nothing was done.
    dry: bool
    #: What a run would do, one line each; empty for nothing.
    plan: list[str]
    #: Id for `apply`; this field and the following are absent if there is nothing to apply.
    id: NotRequired[str]
    #: Timestamp: rows that were due by it are in the plan.
    cutoff: NotRequired[str]
    #: Timestamp of the plan.
    made: NotRequired[str]
    #: Timestamp until which it can be applied.
    until: NotRequired[str]
    #: Operator who made it.
    who: NotRequired[str]
    #: Hash of its actions.
    digest: NotRequired[str]
    #: Number of actions by verb.
    counts: NotRequired[dict[str, int]]
    #: Examples of affected rows by verb.
    samples: NotRequired[dict[str, list[str]]]


_GapStart = TypedDict(
    "_GapStart",
    {
        #: Of missed ticks: minute of the first.
        "from": NotRequired[str],
    },
)


class HistoryRow(_GapStart):
    """Attributes that the rows of runs, failed messages and missed ticks have."""

    #: Name of the job.
    job: str
    #: Host or shard; `-` for the whole job.
    target: str
    #: How it ended; `running` and `dead` are of runs that have not, `missed` is of ticks without a run.
    outcome: str
    #: Timestamp of the start; null for a claim without one.
    started: str | None
    #: False for a failure and for a bad result.
    ok: NotRequired[bool]
    #: Duration in milliseconds.
    ms: NotRequired[int]
    #: Position of the tick, or a label of a manual run; null if it is not known.
    tick: NotRequired[str | None]
    #: Number of the attempt, from 1.
    attempt: NotRequired[int]
    #: Error, reason of a skip, or progress.
    note: NotRequired[str]
    #: Counts that the job returned, by name.
    counts: NotRequired[dict[str, int]]
    #: Key of the first artifact in the bucket.
    artifact: NotRequired[str]
    #: Id that all attempts and parts of one piece of work share.
    correlationId: NotRequired[str]
    #: Number of further deliveries, which had no effect.
    duplicates: NotRequired[int]
    #: Of a failed message: its organization.
    tenant: NotRequired[str]
    #: Of a failed message: the id that it is about.
    entityId: NotRequired[str]
    #: Of a failed message: its id in SQS.
    messageId: NotRequired[str]
    #: Of a failed message: true if no attempt follows.
    final: NotRequired[bool]
    #: Of missed ticks: minute of the last.
    to: NotRequired[str]
    #: Of missed ticks: their number.
    count: NotRequired[int]
    #: Of missed ticks: position of the tick that did their work.
    covered: NotRequired[str]


class ListedRun(HistoryRow):
    """A run of a list."""

    #: Id of the run.
    run_id: str


class TracedRun(HistoryRow):
    """A run of an explanation."""

    #: Id of the run.
    run: str


class FinalDeadLetter(TypedDict):
    """The dead letter of a run."""

    #: Its id.
    id: str
    #: `dead`, `retrying` or `resolved`.
    state: str
    #: Reason that no attempt follows.
    reason: str


class UnconfirmedEffect(TypedDict):
    """An effect of a run whose outcome is unknown."""

    #: Key of the effect, redacted.
    key: str
    #: Timestamp of its start.
    begun: str
    #: Error of the call.
    error: str


class ReadArtifact(TypedDict):
    """The artifact of a run."""

    #: Key in the bucket.
    key: str
    #: URL of S3.
    url: str
    #: Its data; null if it has expired.
    record: dict[str, Any] | None


class RecordedRun(TypedDict):
    """A run with everything that belongs to it."""

    #: Id of the run.
    run: str
    #: Name of the job.
    job: str
    #: How it ended; `running` if it has not.
    outcome: str
    #: False for a failure and for a bad result.
    ok: bool
    #: The start in words, as `its schedule`; of a run in progress its step.
    trigger: str
    #: The row of the history; null for a run in progress.
    row: TracedRun | None
    #: Rows of the same tick and target, the oldest first.
    attempts: list[TracedRun]
    #: Its dead letter; null without one.
    dead_letter: FinalDeadLetter | None
    #: Its effects whose outcome is unknown.
    effects: list[UnconfirmedEffect]
    #: Its first artifact; null without one.
    artifact: ReadArtifact | None
    #: Lines of its log, the oldest first.
    log: list[str]
    #: Its price by its duration; null for a message of a consumer and for a run in progress.
    dollars: float | None
    #: Commands to act.
    commands: list[AdvisedCommand]
