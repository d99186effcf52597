"""Shapes of `dead list`, `show`, `retry`, `purge` and `audit`."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict


class ListedDeadLetterGroup(TypedDict):
    """Dead letters of one fingerprint, which are all of one job."""

    #: Equal for failures of one job that differ in numbers and ids only.
    fingerprint: str
    #: Name of the job.
    job: str
    #: Id of the newest.
    id: str
    #: Error of the newest.
    error: str
    #: Reason of the newest.
    reason: str
    #: Timestamp of the first failure.
    first: str
    #: Timestamp of the last failure.
    last: str
    #: The most attempts of any of them.
    attempts: int
    #: Number of dead letters.
    count: int
    #: Number of dead letters by state.
    states: dict[str, int]
    #: Organizations concerned.
    tenants: list[str]


class ListedDeadLetter(TypedDict):
    """One dead letter."""

    #: Its id.
    id: str
    #: Name of the job.
    job: str
    #: Timestamp of the first storage.
    at: str
    #: Timestamp of the last failure.
    diedAt: str
    #: `dead`, `retrying` or `resolved`.
    state: str
    #: Key of the payload in the bucket; `dead show` has its URL.
    payload: str
    #: Id of the run that failed; `-` if it is not known.
    jobId: NotRequired[str]
    #: Target of the firing, or id that the message is about; `-` for none.
    entityId: NotRequired[str]
    #: Organization; null for none.
    tenant: NotRequired[str | None]
    #: Id of the message in SQS; null for none.
    messageId: NotRequired[str | None]
    #: Version of the code that failed; null if it is not known.
    version: NotRequired[str | None]
    #: Reason that no attempt follows.
    reason: NotRequired[str]
    #: Error of the last attempt.
    error: NotRequired[str]
    #: Equal for failures of one job that differ in numbers and ids only.
    fingerprint: NotRequired[str]
    #: Number of attempts.
    attempts: NotRequired[int]
    #: Timestamp of the first attempt's failure.
    firstFailedAt: NotRequired[str]
    #: Id that all attempts share; `-` if it is not known.
    correlationId: NotRequired[str]
    #: Timestamp of the alert.
    alerted: NotRequired[str]
    #: How often it was redriven.
    retries: NotRequired[int]
    #: How often it failed again after a redrive.
    again: NotRequired[int]
    #: Operator of the last redrive.
    retriedBy: NotRequired[str]
    #: Timestamp of the last redrive.
    retriedAt: NotRequired[str]
    #: Timestamp after which it can be redriven once more.
    retryEnds: NotRequired[str]
    #: Reason that a redrive was not run.
    note: NotRequired[str]
    #: Id of the run that resolved it.
    resolvedBy: NotRequired[str]
    #: Timestamp of that.
    resolvedAt: NotRequired[str]
    #: Outcome of the run that resolved it.
    outcome: NotRequired[str]


class ShownDeadLetter(ListedDeadLetter):
    """One dead letter with its payload."""

    #: The payload, redacted: data if it is JSON, else text; null if it is missing.
    content: Any


class RedriveResult(TypedDict):
    """The result of one redrive."""

    #: Id of the dead letter.
    id: str
    #: Name of the job.
    job: str
    #: `resolved`, `dead`, `retrying`, `kept out`, `gone`, or `sent` with --no-wait.
    end: str
    #: The result as a sentence.
    note: str


class RedrivePreview(TypedDict):
    """The dead letters that would be sent again."""

    #: Always true: nothing was sent.
    dry: bool
    #: Number of dead letters.
    letters: int
    #: Their ids, the oldest first.
    ids: list[str]


class CanaryResult(TypedDict):
    """The result of a canary."""

    #: Fingerprint of the group.
    fingerprint: str
    #: Name of the job.
    job: str
    #: Dead letters in the group.
    of: int
    #: Dead letters that were sent again.
    sent: int
    #: Of those, resolved.
    resolved: int
    #: Failed again in the same way.
    repeated: int
    #: Failed in another way.
    died: int
    #: Not run because of a gate.
    kept_out: int
    #: Without a result in time.
    unknown: int
    #: Dead letters that cannot be sent again.
    unfit: int
    #: Why the first of those cannot; empty for none.
    why_unfit: str
    #: Why the canary stopped; empty if all were sent.
    stopped: str


class PurgedDeadLetters(TypedDict):
    """The result of a purge of dead letters."""

    #: Number of deleted dead letters.
    purged: int
    #: Dead letters that stay, since they changed after they were read.
    moved: int
    #: The filter, by field.
    scope: dict[str, str]


class DeadLetterPurgePreview(TypedDict):
    """The dead letters that a purge would delete."""

    #: Always true: nothing was deleted.
    dry: bool
    #: Dead letters that would be deleted.
    count: int
    #: Dead letters that do not match.
    others: int
    #: Dead letters that match, and stay because they are being redriven.
    on_their_way: int
    #: Those that would be deleted, by fingerprint.
    groups: list[ListedDeadLetterGroup]


class AuditedAction(TypedDict):
    """An action of an operator."""

    #: Timestamp of its start.
    at: str
    #: The action, as `dead retry` or `pause`.
    what: str
    #: The operator.
    who: str
    #: The reason.
    reason: str
    #: What it was limited to, by name.
    scope: dict[str, Any]
    #: Number of items that were changed; this field and the following are absent if it has not ended.
    count: NotRequired[int]
    #: First 16 digits of a hash of their ids.
    ids: NotRequired[str]
    #: Timestamp of its end.
    ended: NotRequired[str]
    #: `done`, or the error that ended it.
    end: NotRequired[str]
