"""Firing: the event that starts a run.

Parsed from a cron event, a queued firing or a batch of messages.
"""

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
from shared.text.timestamp import parse_timestamp

# Parts of one tick: the first run and its continuations.
MAX_PARTS = 100
# Sequence numbers per redrive; more than a retry policy has attempts.
SEQUENCE_STEP = 10
# A deduplication key has three digits for the sequence, so that later ones are greater as text.
MAX_SEQUENCE = 999
# Ticks older than this are malformed.
MAX_AGE = timedelta(days=60)
# How far a tick may be ahead of the clock.
MAX_SKEW = timedelta(minutes=5)


class MalformedEvent(Rejected):
    """An event of unknown form; a retry cannot help."""


@dataclass(frozen=True, slots=True)
class Firing:
    """One start of a job: which tick, target and attempt."""

    #: Name of the job.
    job: str
    #: UTC minute of the tick, or the time at which a manual run was requested.
    at: datetime
    #: 0; then 1, 2 ... for the continuations of the same tick.
    part: int = 0
    #: Target of the run; `-` for a job without targets.
    target: str = NO_TARGET
    #: Number of the attempt, from 1.
    attempt: int = 1
    #: Lambda invocations in this chain so far, this one included.
    hop: int = 1
    #: Id of the event; of a manual run the id of the request.
    id: str = ""
    #: Whether an operator or a caller started the run, not the schedule.
    manual: bool = False
    #: Whether a failure is retried; the command line has its exit code instead.
    retried: bool = True
    #: Timestamp of the first failure; empty before it.
    first_failed_at: str = ""
    #: Error of the last attempt; empty for the first.
    last_error: str = ""
    #: Id that the log lines of the whole chain share.
    correlation_id: str = ""
    #: Runtime to which it was routed, one of RUN_BY; empty before routing.
    by: str = ""
    #: Id of the plan to apply in place of the usual work; empty without one.
    plan: str = ""
    #: Sort key of the dead letter that it redrives; empty without one.
    letter: str = ""
    #: Number of the redrive; each has all attempts again.
    redrive: int = 0
    #: How often this attempt was deferred because another run held the lease.
    deferrals: int = 0
    #: Reasons of the bad verdicts of the tick's earlier parts; empty without one.
    bad: str = ""
    #: Timestamp before which it must not start, where that is further ahead than a queue can delay; else empty.
    not_before: str = ""
    #: Number of shards that its tick has started; 0 for a tick in one run, and for a shard that was started by hand.
    shards: int = 0

    @property
    def position(self) -> str:
        """`2026-11-21T22:05Z#00`: minute and part.

        Later ticks, and later parts of one tick, are greater as text.
        """
        return f"{clock.minute(self.at)}#{self.part:02d}"

    @property
    def sequence(self) -> int:
        """Number that grows with each attempt, also over redrives."""
        return self.redrive * SEQUENCE_STEP + self.attempt

    @property
    def dedup_key(self) -> str:
        """Position, sequence and hop.

        Shared by the deliveries of this firing and by no other firing.
        """
        return f"{clock.minute(self.at)}#{self.turn}"

    @property
    def place(self) -> str:
        """Name of the row with its checkpoint.

        Empty for a tick, whose checkpoint is in the claim item.
        """
        if self.plan:
            return f"plan#{self.plan}"
        return f"manual#{self.id}" if self.manual else ""

    @property
    def turn(self) -> str:
        """Part, sequence and hop.

        Greater, as text, for each later firing of one request.
        """
        return f"{self.part:02d}#{self.sequence:03d}#{self.hop:02d}"

    @property
    def fresh(self) -> bool:
        """Whether it is the first attempt of the first part."""
        return self.sequence == 1 and self.part == 0

    def retry(self, error: str, now: datetime) -> Firing:
        """Return the next attempt, two hops on: dispatch, then the job."""
        return replace(
            self,
            attempt=self.attempt + 1,
            hop=self.hop + 2,
            deferrals=0,
            first_failed_at=self.first_failed_at or clock.iso(now),
            last_error=error,
        )

    def deferred(self) -> Firing:
        """Return the same attempt, to be sent with a delay."""
        return replace(self, hop=self.hop + 2, deferrals=self.deferrals + 1)

    def continuation(self, bad: str = "") -> Firing:
        """Return the next part of the tick.

        It continues from the checkpoint, with attempts of its own. bad: reasons of the bad verdicts so far.
        """
        fresh: dict[str, Any] = {"attempt": 1, "first_failed_at": "", "last_error": "", "letter": "", "deferrals": 0}
        return replace(self, part=self.part + 1, hop=self.hop + 2, bad=bad, **fresh)

    def routed(self, by: str) -> Firing:
        """Return the firing for another runtime.

        No caller waits for its exit code, so a failure is retried.
        """
        # Lambda counts the invocation of dispatch as a hop.
        return replace(self, by=by, retried=True, hop=self.hop + (2 if by == QUEUE else 0))

    def new_chain(self) -> Firing:
        """Return the firing as the first of another chain of invocations."""
        return replace(self, hop=1)

    def shard(self, number: int, shards: int) -> Firing:
        """Return the firing of one of `shards` shards.

        Each shard of a manual run is a request of its own, which is served once.
        """
        request = f"{self.id}/{number}" if self.manual and self.id else self.id
        return replace(self, target=str(number), id=request, hop=self.hop + 2, letter="", shards=shards)

    def data(self) -> dict[str, Any]:
        """Return the firing as JSON data, see `parse_firing`."""
        # Without the newer fields where they are empty: a function that is not deployed yet reads the others.
        newer = {"deferrals": 0, "bad": "", "not_before": "", "shards": 0}
        data = {name: value for name, value in asdict(self).items() if name not in newer or value != newer[name]}
        return {**data, "at": clock.iso(self.at)}


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of messages for a consumer."""

    #: Name of the consumer.
    job: str
    #: SQS records as Lambda delivers them.
    records: tuple[Mapping[str, Any], ...]


def parse(job: str, event: Any, now: datetime) -> Firing | Batch:
    """Parse an event that Lambda delivers to the function of `job`.

    Raises MalformedEvent.
    """
    if isinstance(event, Mapping):
        if "firing" in event:
            return parse_firing(event["firing"], now, job)
        if isinstance(event.get("Records"), list):
            return Batch(job, tuple(event["Records"]))
        if event.get("source") in ("aws.events", "nightshift.schedule"):
            return _parse_cron(job, event, now)
    raise MalformedEvent(f"{job}: no event of a rule, a queue or a firing, but {event!r:.120}")


def parse_firing(data: Any, now: datetime, job: str | None = None) -> Firing:
    """Parse a firing from JSON data, of `job` where that is given.

    Raises MalformedEvent.
    """
    try:
        firing = Firing(**{**data, "at": clock.parse(data["at"])})
        _check(firing)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise MalformedEvent(f"{job or 'firings'}: a firing that cannot be read ({error}): {data!r:.120}") from None
    if job is not None and firing.job != job:
        raise MalformedEvent(f"{job}: a firing for {firing.job!r} came to the wrong function")
    _check_time(job or firing.job, firing.at, now)
    return firing if firing.correlation_id else replace(firing, correlation_id=uuid.uuid4().hex)


def _check(firing: Firing) -> None:
    """Raise ValueError for values that no firing of this code has."""
    numbers = (firing.part, firing.attempt, firing.hop, firing.redrive, firing.deferrals, firing.shards)
    whole = all(type(number) is int for number in numbers)
    if (
        not whole
        or not 0 <= firing.part < MAX_PARTS
        or min(firing.attempt, firing.hop, firing.redrive + 1, firing.deferrals + 1, firing.shards + 1) < 1
    ):
        raise ValueError("part, attempt, hop, redrive, deferrals, shards are whole numbers, from 0, 1, 1, 0, 0 and 0")
    if firing.sequence > MAX_SEQUENCE:
        raise ValueError(f"attempt {firing.attempt} of redrive {firing.redrive} is over the limit of {MAX_SEQUENCE}")
    if firing.not_before:
        parse_timestamp(firing.not_before)
    texts = (firing.id, firing.first_failed_at, firing.last_error, firing.correlation_id, firing.plan, firing.letter)
    if not all(isinstance(text, str) for text in (firing.job, firing.target, firing.bad, *texts)):
        raise ValueError("job, target, id, correlation_id, plan and letter are text")
    if not firing.job or not firing.target:
        raise ValueError("job and target must not be empty")
    if firing.by not in ("", *RUN_BY):
        raise ValueError(f"by is one of {', '.join(RUN_BY)}, or empty")


def _parse_cron(job: str, event: Mapping[str, Any], now: datetime) -> Firing:
    try:
        at = parse_timestamp(event["time"]).replace(second=0, microsecond=0)
    except (KeyError, TypeError, ValueError):
        raise MalformedEvent(f"{job}: the event's time is {event.get('time')!r}, not an ISO 8601 timestamp") from None
    _check_time(job, at, now)
    return Firing(job, at, id=str(event.get("id", "")), correlation_id=uuid.uuid4().hex)


def _check_time(job: str, at: datetime, now: datetime) -> None:
    # A tick from the future, once done, would make all ticks before it superseded. The oldest ticks that are sent
    # again are those of dead letters, which are stored for 37 days.
    if at > now + MAX_SKEW:
        raise MalformedEvent(f"{job}: the tick {clock.iso(at)} is ahead of the clock, {clock.iso(now)}")
    if at < now - MAX_AGE:
        raise MalformedEvent(f"{job}: the tick {clock.iso(at)} is older than {MAX_AGE.days} days")
