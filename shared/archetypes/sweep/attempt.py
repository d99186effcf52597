"""Attempt at a due item: input, verdict, and the verdict as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.job.effect import NotPerformed
from shared.store.batch_get import Key

if TYPE_CHECKING:
    from shared.run.context import RunContext

# JSON data by field name of the item's record.
Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The item is done."""

    why: str = ""
    fields: Fields = field(default_factory=dict)
    """Fields of the item to write, by name."""

    word = "settled"


@dataclass(frozen=True, slots=True)
class RetryLater:
    """The attempt failed; a later one may succeed."""

    why: str
    fields: Fields = field(default_factory=dict)
    """Fields of the item to write, by name."""
    wait: float = 0
    """Minimum seconds until the next attempt, such as a receiver's Retry-After. Default: 0."""

    word = "again"


@dataclass(frozen=True, slots=True)
class GaveUp:
    """No attempt can succeed, or no attempts are left."""

    why: str
    fields: Fields = field(default_factory=dict)
    """Fields of the item to write, by name."""

    word = "given_up"


class Deferred(NotPerformed):
    """Raised if an attempt is not made because of the item's receiver.

    No attempt is counted, and the run stays ok. Any other NotPerformed is a failure of our own: no attempt is counted
    either, but the run is not ok.
    """

    word = "deferred"

    def __init__(self, why: str, wait: float = 0) -> None:
        super().__init__(why)
        #: Minimum seconds until the item is due again.
        self.wait = wait


AttemptVerdict = Succeeded | RetryLater | GaveUp
VERDICTS: Mapping[str, type[AttemptVerdict]] = {kind.word: kind for kind in (Succeeded, RetryLater, GaveUp)}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at one item."""

    run: RunContext
    item: Any
    """The item as its record's model."""
    number: int
    """Attempt number, from 1."""
    at: datetime
    """Start of the attempt."""
    token: str
    """Idempotency key of this attempt; empty for a job without effects."""
    references: Mapping[Key, Mapping[str, Any]]
    """Rows that the job's `references` named, as plain data; missing rows are absent."""
    tools: Any
    """The run's shared tools, from the job's `tools`."""
    last: bool = False
    """Whether no other attempt follows a failure. Default: False."""


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """Verdict, number and start of one attempt."""

    verdict: AttemptVerdict
    number: int
    at: datetime

    @property
    def why(self) -> str:
        return self.verdict.why

    def data(self) -> dict[str, Any]:
        """JSON data, stored as the effect's result; `parse_result` reads it."""
        verdict = self.verdict
        data = {"end": verdict.word, "why": self.why, "noted": dict(verdict.fields), "at": clock.iso(self.at)}
        return {**data, "wait": verdict.wait} if isinstance(verdict, RetryLater) else data


def parse_result(data: Any, number: int, now: datetime) -> AttemptResult:
    """Result of an effect's JSON data.

    An effect that an operator confirmed by hand has no data: it succeeded.
    """
    if not isinstance(data, Mapping) or data.get("end") not in VERDICTS:
        return AttemptResult(Succeeded("settled by hand"), number, now)
    extra = {"wait": data["wait"]} if data["end"] == RetryLater.word else {}
    return AttemptResult(VERDICTS[data["end"]](data["why"], data["noted"], **extra), number, clock.parse(data["at"]))
