"""Shapes of `status` and `top`."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict


class JobStatus(TypedDict):
    """Status of a job or target, as the status route returns it."""

    #: `PROCESSING`, `COMPLETED`, `FAILED`, `SKIPPED` for a job that is switched off, or `NEVER_RUN`.
    state: str
    #: How the last run ended.
    outcome: NotRequired[str]
    #: False for a failure and for a bad result.
    ok: NotRequired[bool]
    #: Timestamp of its end.
    at: NotRequired[str]
    #: Its duration in milliseconds.
    ms: NotRequired[int]
    #: Timestamp of its start; of the run in progress while there is one.
    startedAt: NotRequired[str]
    #: Timestamp of the end of a good run.
    completedAt: NotRequired[str]
    #: Timestamp of the end of a failed run.
    failedAt: NotRequired[str]
    #: Reason of the failure.
    error: NotRequired[str]
    #: Step of the run in progress, `finished`, `error`, or the outcome of a skipped run.
    step: NotRequired[str]
    #: Percentage of the run in progress; 100 after a good run.
    progress: NotRequired[int]
    #: Id of the run in progress.
    runId: NotRequired[str]
    #: Reason of a failure, a bad result or a skip.
    note: NotRequired[str]
    #: Status of HTTP, of jobs that make one request.
    statusCode: NotRequired[int]
    #: Number of failed ticks in a row.
    streak: NotRequired[int]
    #: Error of the first of them.
    firstError: NotRequired[str]
    #: Timestamp of the start of the first of them.
    failingSince: NotRequired[str]
    #: Timestamp of the start of the last good run.
    lastGood: NotRequired[str]
    #: Operator and reason of a pause, or a used-up budget.
    paused: NotRequired[str]
    #: Timestamp of the end of the pause.
    pausedUntil: NotRequired[str]
    #: Pauses by part, as `target#shop.example` or `tenant#org_1`.
    pauses: NotRequired[dict[str, str]]


class JobStatistics(TypedDict):
    """Success rate and durations of one job."""

    #: Name of the job.
    job: str
    #: Runs that executed code of the job.
    runs: int
    #: Percentage of those runs that were done with a good result; null without runs.
    success: float | None
    #: Runs that were done with a bad result.
    unhealthy: int
    #: Runs that failed.
    failed: int
    #: Runs that were interrupted.
    lost: int
    #: Runs that their job refused.
    refused: int
    #: Runs that were skipped, as paused or disabled.
    skipped: int
    #: Median of the durations in milliseconds; null without runs.
    p50: int | None
    #: The 95th percentile of the durations in milliseconds; null without runs.
    p95: int | None
    #: Timestamp of the last run's start; empty without runs.
    last: str
    #: Timestamp since which runs are counted.
    since: str
