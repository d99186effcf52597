"""Outcomes of a run: a closed set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Reason(StrEnum):
    """Reason for which a run was skipped."""

    DISABLED = "disabled"
    FORBIDDEN = "forbidden"
    UNKNOWN_TARGET = "unknown_target"
    RATE_LIMITED = "rate_limited"
    PAUSED = "paused"
    LOCKED = "locked"
    DEDUPLICATED = "deduplicated"
    SUPERSEDED = "superseded"
    LATE = "late"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Done:
    """The work was done."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """Items by what happened to them."""
    ok: bool = True
    """The verdict: a site that is down is `Done(ok=False)`, not a failure of the job. Default: True."""
    note: str = ""
    """Summary for people."""
    status_code: int | None = None
    """HTTP status, for a job that makes one request."""
    checkpoint: Any = None
    """JSON data from which the next run continues, if the cap or the deadline ended this one early."""
    seen: Any = None
    """Data for the artifact."""

    word = "done"


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt ended with an error."""

    error: str
    kind: str = "Exception"
    """Class of the exception."""
    stack: str = ""
    final: bool = False
    """True if no retry can succeed."""

    ok = False
    word = "failed"


@dataclass(frozen=True, slots=True)
class Skipped:
    """The run did not start, for a reason that is no error."""

    reason: Reason
    note: str = ""

    ok = True

    @property
    def word(self) -> str:
        return self.reason.value


@dataclass(frozen=True, slots=True)
class Snoozed:
    """Run again `seconds` from now, also hours, without counting an attempt."""

    seconds: int
    note: str = ""

    ok = True
    word = "snoozed"


@dataclass(frozen=True, slots=True)
class Lost:
    """The run was interrupted.

    It was killed, timed out, ran out of memory, or was fenced off by its successor.
    """

    note: str = ""

    ok = False
    word = "lost"


@dataclass(frozen=True, slots=True)
class Refused:
    """The run needs an operator's approval.

    It would do more than usual, or its plan is outdated. Nothing was done, and it is not retried.
    """

    note: str

    ok = False
    word = "refused"


@dataclass(frozen=True, slots=True)
class Enqueued:
    """The run was routed to another executor.

    The executor records an outcome of its own.
    """

    by: str

    ok = True
    word = "enqueued"

    @property
    def note(self) -> str:
        return f"to be run by {self.by}"


Outcome = Done | Failed | Skipped | Snoozed | Lost | Refused | Enqueued

WORDS = ("done", "failed", "snoozed", "lost", "refused", "enqueued", *(reason.value for reason in Reason))


class Rejected(Exception):
    """Raised by `work` for an input that can never succeed.

    The input is dead-lettered without retries.
    """


def verdict_word(outcome: str, ok: bool) -> str:
    """The outcome, or `bad` for a done run with a bad finding."""
    return "bad" if outcome == "done" and not ok else outcome
