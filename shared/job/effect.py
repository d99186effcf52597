"""What changes the world outside: an e-mail, a webhook, a paid call. What a job says of one, and where it is kept.

`effect#<job>#<shard>` / `<key>` is written as an intent before the call, and again with the result after it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.advised_commands import advised

if TYPE_CHECKING:
    from shared.run.context import RunContext

LONGEST_KEY = 512


class NotPerformed(Exception):
    """Raised by an effect's call: nothing happened, so it may be tried again. Anything else leaves that open."""


class UncertainOutcome(Exception):
    """Nobody knows whether the effect happened, and the job cannot find out; a person settles it."""

    def __init__(self, stage: str, job: str, key: str) -> None:
        super().__init__(f"nobody knows whether {key!r} was done; settle it: {advised(stage, 'effects', job)}")
        self.key = key


class InFlight(Exception):
    """Another run is at this very effect; by `seconds` from now it must have ended."""

    def __init__(self, key: str, seconds: float) -> None:
        super().__init__(f"{key!r} is being done by another run, for another {seconds:.0f} s at most")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Confirmed:
    """It was done; `result` is what its call would have returned."""

    result: Any = None


@dataclass(frozen=True, slots=True)
class NotDone:
    """It was not done, or doing it again does no harm, since the receiver knows its idempotency key."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """There is no way to tell; `note` says to a person where to look."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a job's `reconcile` is asked about. at: when it was begun. token: the idempotency key that went along.

    error: what its call raised, empty where the run died. tick: the run that asks.
    """

    key: str
    token: str
    at: datetime
    run: str
    error: str
    context: RunContext


def fitting(key: str) -> str:
    """The key, or a hash of one that is too long for one: what it is made of may be as long as keys of rows are."""
    return key if len(key.encode()) <= LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()
