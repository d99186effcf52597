"""How a run can end: a closed set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Reason(StrEnum):
    """Why a run honestly did not happen."""

    DISABLED = "disabled"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    PAUSED = "paused"
    LOCKED = "locked"
    DEDUPLICATED = "deduplicated"
    SUPERSEDED = "superseded"
    LATE = "late"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Done:
    """The work was done. `ok` is the verdict: a site that is down is `Done(ok=False)`, not a failure of the job.

    `checkpoint` is set when the work cap or the deadline ended the run early: JSON data from which the next
    continues. `seen` goes into the artifact.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    ok: bool = True
    note: str = ""
    status_code: int | None = None
    checkpoint: Any = None
    seen: Any = None

    word = "done"


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt that ended with an error. `final` means: no attempt can end otherwise."""

    error: str
    kind: str = "Exception"
    stack: str = ""
    final: bool = False

    ok = False
    word = "failed"


@dataclass(frozen=True, slots=True)
class Skipped:
    reason: Reason
    note: str = ""

    ok = True

    @property
    def word(self) -> str:
        return self.reason.value


@dataclass(frozen=True, slots=True)
class Snoozed:
    """The job itself asks to be run later: `seconds` from now, no attempt counted."""

    seconds: int
    note: str = ""

    ok = True
    word = "snoozed"


@dataclass(frozen=True, slots=True)
class Lost:
    """The run died without a word: killed, timed out, out of memory, or fenced off by its successor."""

    note: str = ""

    ok = False
    word = "lost"


@dataclass(frozen=True, slots=True)
class Refused:
    """The job will not do it unasked: more than it usually does, or a plan that the world has moved away from.

    Nothing was done and nothing is retried: a person decides.
    """

    note: str

    ok = False
    word = "refused"


@dataclass(frozen=True, slots=True)
class Enqueued:
    """Handed to whoever runs it; what comes of that is an outcome of its own."""

    by: str

    ok = True
    word = "enqueued"

    @property
    def note(self) -> str:
        return f"to be run by {self.by}"


Outcome = Done | Failed | Skipped | Snoozed | Lost | Refused | Enqueued

WORDS = ("done", "failed", "snoozed", "lost", "refused", "enqueued", *(reason.value for reason in Reason))


class Rejected(Exception):
    """Raised by work: this input can never succeed, so no retry; it goes straight to the dead letters."""
