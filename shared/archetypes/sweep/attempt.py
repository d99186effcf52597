"""What comes of one attempt at a thing that was due: a closed set, and its form as JSON data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.store.batch_get import Key

if TYPE_CHECKING:
    from shared.run.context import RunContext

# JSON data, by the names of a record's fields.
Noted = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Succeeded:
    """It is done. noted: fields that the attempt found out."""

    why: str = ""
    noted: Noted = field(default_factory=dict)

    word = "settled"


@dataclass(frozen=True, slots=True)
class RetryLater:
    """It did not work, and may another time. wait: seconds that the other side asked for, at least."""

    why: str
    noted: Noted = field(default_factory=dict)
    wait: float = 0

    word = "again"


@dataclass(frozen=True, slots=True)
class GaveUp:
    """No attempt can end otherwise, or no more are made."""

    why: str
    noted: Noted = field(default_factory=dict)

    word = "given_up"


AttemptVerdict = Succeeded | RetryLater | GaveUp
KINDS: Mapping[str, type[AttemptVerdict]] = {kind.word: kind for kind in (Succeeded, RetryLater, GaveUp)}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt. number: 1 is the first. at: when it began. token: the idempotency key of this very attempt.

    found: rows that `refers` asked for, as plain data, without those that are gone. tools: of the run.
    """

    run: RunContext
    item: Any
    number: int
    at: datetime
    token: str
    found: Mapping[Key, Mapping[str, Any]]
    tools: Any


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """How attempt `number` ended, which began `at`."""

    verdict: AttemptVerdict
    number: int
    at: datetime

    @property
    def why(self) -> str:
        return self.verdict.why

    def data(self) -> dict[str, Any]:
        """As the result of an effect, for whoever comes after a crash."""
        said = {"end": self.verdict.word, "why": self.why, "noted": dict(self.verdict.noted), "at": clock.iso(self.at)}
        return {**said, "wait": self.verdict.wait} if isinstance(self.verdict, RetryLater) else said


def result_of(data: Any, number: int, now: datetime) -> AttemptResult:
    """From its data; of an effect that a person has declared done there is none, and it is settled."""
    if not isinstance(data, Mapping) or data.get("end") not in KINDS:
        return AttemptResult(Succeeded("settled by hand"), number, now)
    extra = {"wait": data["wait"]} if data["end"] == RetryLater.word else {}
    return AttemptResult(KINDS[data["end"]](data["why"], data["noted"], **extra), number, clock.parse(data["at"]))
