"""What starts a run: a cron event, a firing from the queue, a batch of messages, a hand."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from shared import clock
from shared.aws.names import NO_TARGET
from shared.job.definition import QUEUE, RUN_BY
from shared.job.outcome import Rejected

PARTS = 100
# More than a policy has attempts.
TURNS = 10
# A mark has three digits for the turn, so that later turns are greater as text.
LAST_TURN = 999
OLDEST = timedelta(days=60)


class MalformedEvent(Rejected):
    """An event of no known form; retrying cannot help."""


@dataclass(frozen=True, slots=True)
class Firing:
    """One wake-up of a job.

    at: the tick's UTC minute, or the instant a hand asked. part: 0, then 1, 2 ... for continuations of the same tick.
    attempt: 1 is the first. hop: Lambda invocations in this chain so far. id: of the event; a manual run's own name.
    retried: whether a failure is tried again; the command line has its exit code instead. by: who was given it to run,
    one of RUN_BY; empty until the job's setting was asked. plan: the id of the plan that
    this run carries out, in place of its usual work. letter: the dead letter that it serves again, by its sort key;
    redrive: for how many-th time, which gives it all its attempts anew.
    """

    job: str
    at: datetime
    part: int = 0
    target: str = NO_TARGET
    attempt: int = 1
    hop: int = 1
    id: str = ""
    manual: bool = False
    retried: bool = True
    first_failed_at: str = ""
    last_error: str = ""
    correlation_id: str = ""
    by: str = ""
    plan: str = ""
    letter: str = ""
    redrive: int = 0

    @property
    def position(self) -> str:
        """`2026-11-21T22:05Z#00`: later ticks, and later parts of one tick, are greater as text."""
        return f"{clock.minute(self.at)}#{self.part:02d}"

    @property
    def sequence(self) -> int:
        """Greater for every later attempt, also for those after it was sent again."""
        return self.redrive * TURNS + self.attempt

    @property
    def dedup_key(self) -> str:
        """Position, turn and hop: what a second delivery of this very firing shares, and nothing else does."""
        return f"{self.position}#{self.sequence:03d}#{self.hop:02d}"

    @property
    def fresh(self) -> bool:
        return self.sequence == 1 and self.part == 0

    def retry(self, error: str, now: datetime) -> Firing:
        """The next attempt. Two hops on: dispatch, then the job."""
        return replace(
            self,
            attempt=self.attempt + 1,
            hop=self.hop + 2,
            first_failed_at=self.first_failed_at or clock.iso(now),
            last_error=error,
        )

    def deferred(self) -> Firing:
        """The same attempt, put off."""
        return replace(self, hop=self.hop + 2)

    def continuation(self) -> Firing:
        """The next part of the same tick: continues from the checkpoint, with attempts of its own."""
        fresh: dict[str, Any] = {"attempt": 1, "first_failed_at": "", "last_error": "", "letter": ""}
        return replace(self, part=self.part + 1, hop=self.hop + 2, **fresh)

    def routed(self, by: str) -> Firing:
        """For whoever runs it, where nobody waits for an exit code. Lambda counts the way through dispatch."""
        return replace(self, by=by, retried=True, hop=self.hop + (2 if by == QUEUE else 0))

    def shard(self, number: int) -> Firing:
        return replace(self, target=str(number), hop=self.hop + 2, letter="")

    def data(self) -> dict[str, Any]:
        return {**asdict(self), "at": clock.iso(self.at)}


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages of a queue: SQS records as Lambda delivers them."""

    job: str
    records: tuple[Mapping[str, Any], ...]


def parse(job: str, event: Any, now: datetime) -> Firing | Batch:
    """Raises MalformedEvent, which says what was expected."""
    if isinstance(event, Mapping):
        if "firing" in event:
            return firing(event["firing"], now, job)
        if isinstance(event.get("Records"), list):
            return Batch(job, tuple(event["Records"]))
        if event.get("source") in ("aws.events", "nightshift.schedule"):
            return _cron(job, event, now)
    raise MalformedEvent(f"{job}: no event of a rule, a queue or a firing, but {event!r:.120}")


def firing(data: Any, now: datetime, job: str | None = None) -> Firing:
    """A firing from its JSON. Raises MalformedEvent."""
    try:
        made = Firing(**{**data, "at": clock.parse(data["at"])})
        numbers = (made.part, made.attempt, made.hop, made.redrive)
        whole = all(type(number) is int for number in numbers)
        if not whole or not 0 <= made.part < PARTS or min(made.attempt, made.hop, made.redrive + 1) < 1:
            raise ValueError("part, attempt, hop and redrive are whole numbers, from 0, 1, 1 and 0")
        if made.sequence > LAST_TURN:
            raise ValueError(f"attempt {made.attempt} of redrive {made.redrive} comes after turn {LAST_TURN}, the last")
        texts = (made.job, made.target, made.id, made.first_failed_at, made.last_error, made.correlation_id, made.plan)
        if not all(isinstance(text, str) for text in (*texts, made.letter)) or not made.job or not made.target:
            raise ValueError("job, target, id, correlation_id, plan and letter are text")
        if made.by not in ("", *RUN_BY):
            raise ValueError(f"by is one of {', '.join(RUN_BY)}, or empty")
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise MalformedEvent(f"{job or 'firings'}: a firing that cannot be read ({error}): {data!r:.120}") from None
    if job is not None and made.job != job:
        raise MalformedEvent(f"{job}: a firing for {made.job!r} came to the wrong function")
    _plausible(job or made.job, made.at, now)
    return made if made.correlation_id else replace(made, correlation_id=uuid.uuid4().hex)


def _cron(job: str, event: Mapping[str, Any], now: datetime) -> Firing:
    try:
        at = clock.parse(event["time"]).replace(second=0, microsecond=0)
    except (KeyError, TypeError, ValueError):
        raise MalformedEvent(f"{job}: the event's time is {event.get('time')!r}, not an ISO 8601 instant") from None
    _plausible(job, at, now)
    return Firing(job, at, id=str(event.get("id", "")), correlation_id=uuid.uuid4().hex)


def _plausible(job: str, at: datetime, now: datetime) -> None:
    # A tick from the future would, once done, make every real one up to then superseded. The oldest that are sent
    # again, dead letters, live for 37 days.
    if at > now + timedelta(minutes=5):
        raise MalformedEvent(f"{job}: the tick {clock.iso(at)} lies ahead of the clock, {clock.iso(now)}")
    if at < now - OLDEST:
        raise MalformedEvent(f"{job}: the tick {clock.iso(at)} is older than {OLDEST.days} days")
