"""Effect: an e-mail, a webhook, a paid call or the like.

An effect is stored as an intent before its call, and with its result after it; see shared/run/effects.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.advised_commands import advised

if TYPE_CHECKING:
    from shared.run.context import RunContext

LONGEST_KEY = 512


class NotPerformed(Exception):
    """Raised by an effect's call if nothing happened: it may be retried.

    Other exceptions leave the outcome unknown.
    """

    #: Minimum seconds until a repeat makes sense.
    wait: float = 0


@contextmanager
def before_call() -> Iterator[None]:
    """Code of an effect that runs before its call.

    A failure in it is NotPerformed: nothing was called, so no operator has to look up the outcome.
    """
    try:
        yield
    except NotPerformed:
        raise
    except Exception as error:
        raise NotPerformed(f"{type(error).__name__}: {error}") from error


class UncertainOutcome(Exception):
    """The outcome of an effect is unknown.

    The job cannot look it up: an operator must resolve it.
    """

    def __init__(self, stage: str, job: str, key: str) -> None:
        super().__init__(f"the outcome of effect {key!r} is unknown; resolve it: {advised(stage, 'effects', job)}")
        self.key = key


class InFlight(Exception):
    """Another run is performing this effect; it ends within `seconds`."""

    def __init__(self, key: str, seconds: float) -> None:
        super().__init__(f"effect {key!r} is in progress in another run, for {seconds:.0f} s at most")
        self.seconds = seconds


class Unconfirmed(InFlight):
    """The call returned, and its result could not be written yet.

    It is written at the end of this run or at the begin of the next one.
    """

    def __init__(self, key: str, seconds: float) -> None:
        super().__init__(key, seconds)
        self.args = (f"effect {key!r} was performed, and its result could not be written yet",)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The effect happened."""

    result: Any = None
    """What its call would have returned."""


@dataclass(frozen=True, slots=True)
class NotDone:
    """The effect did not happen, or can be repeated safely.

    A repetition is safe if the receiver recognises its idempotency key.
    """


@dataclass(frozen=True, slots=True)
class Unknown:
    """The outcome cannot be looked up."""

    note: str = ""
    """Where an operator can look."""


@dataclass(frozen=True, slots=True)
class Effect:
    """An effect that was started and never confirmed, for a job's `reconcile`."""

    key: str
    token: str
    """Idempotency key that was sent to the receiver."""
    at: datetime
    """When it was started."""
    run: str
    """Id of the run that started it."""
    error: str
    """Exception of its call; empty if the run was interrupted."""
    context: RunContext
    """The run that reconciles it."""


def bounded_key(key: str) -> str:
    """The key, or its hash if the key is too long.

    Keys of rows can be longer than an effect's key may be.
    """
    return key if len(key.encode()) <= LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()
