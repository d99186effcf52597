"""Cause of a missed tick.

Read from AWS, and from the ticks of other jobs at that time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.admin import tick_delivery
from shared.admin.tick_delivery import TickDelivery
from shared.job import manifest
from shared.job.definition import Job
from shared.ledger import daily, ledger
from shared.ledger.ledger import MINUTE, TickOutcome
from shared.store import keys, table
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.manifest import Entry

# How far from the missed tick the ticks of other jobs are looked for, and how many jobs are examined.
NEARBY = timedelta(minutes=5)
OTHER_JOBS = 3
UNDELIVERABLE = "undeliverable"
# A tick that was caught up is late; one that may have left a row is unknown. Neither proves anything.
INCONCLUSIVE = (TickOutcome.LATE, TickOutcome.UNKNOWN, TickOutcome.AWAITED)


@dataclass(frozen=True, slots=True)
class MissedTickCause:
    """Known facts about the cause of a missed tick."""

    delivery: TickDelivery
    #: The dead letter of the event, if EventBridge could not deliver it.
    dead_letter: dict[str, Any] = field(default_factory=dict)
    #: Other jobs that missed their ticks at that time, and those that did not.
    also_missed: tuple[str, ...] = ()
    not_missed: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """The cause as JSON data."""
        return {
            **self.delivery.facts,
            "undelivered": self.dead_letter.get("id"),
            "also_missed": list(self.also_missed),
            "not_missed": list(self.not_missed),
        }


def read(cloud: Cloud, job: Job, tick: datetime) -> MissedTickCause:
    """Read the cause; at most five reads for each other job."""
    delivery = tick_delivery.read(cloud, job)
    letter = _undelivered(cloud, job.name, tick)
    others = {
        name: daily.read(cloud, name, entry, at, at + MINUTE)[at].outcome
        for name, entry, at in _nearby(job.name, tick, cloud.clock.now())
    }
    return MissedTickCause(
        delivery,
        letter,
        tuple(name for name, outcome in others.items() if outcome is TickOutcome.MISSED),
        tuple(name for name, outcome in others.items() if outcome not in (TickOutcome.MISSED, *INCONCLUSIVE)),
    )


def sentences(cause: MissedTickCause | None) -> Iterator[str]:
    """Yield the cause, then what the ticks of other jobs show."""
    if cause is None:
        return
    found, unreadable = [*_own_causes(cause)], cause.delivery.unreadable
    yield from found
    if unreadable:
        yield f"AWS does not show everything that starts the job: {unreadable}."
    missed, others = ", ".join(cause.also_missed), ", ".join(cause.not_missed)
    if missed and others:
        yield f"At that time {missed} missed a tick too, and {others} did not."
    elif missed:
        whole = "" if found else ": EventBridge, Lambda or the whole deployment was down"
        yield f"Other jobs missed their ticks at that time too ({missed}){whole}."
    elif others and not found:
        yield f"Other jobs had their ticks at that time ({others}): the cause concerns this job only."
    if not (found or unreadable or (missed and not others)):
        yield "Its rule is enabled and its function may run now: either was stopped then, or the event was lost."


def _own_causes(cause: MissedTickCause) -> Iterator[str]:
    delivery = cause.delivery
    for kind, name in delivery.disabled:
        yield f"Its {kind} {name} is disabled: no event starts the job until it is enabled."
    if delivery.throttled:
        yield f"Its function {delivery.throttled} has a reserved concurrency of 0: Lambda starts no run of it."
    for kind, name in delivery.missing:
        yield f"Its {kind} {name} does not exist: the job is not deployed, or it was deleted by hand."
    if letter := cause.dead_letter:
        yield f"EventBridge could not deliver its event to the function: dead letter {letter['id'][:8]}."


def _undelivered(cloud: Cloud, job: str, tick: datetime) -> dict[str, Any]:
    """The dead letter of the tick's event; empty if there is none."""
    values = {":pk": keys.dead_letters(job), ":sk": clock.iso(tick)}
    rows, _ = table.query_page(cloud, STATE, "pk = :pk AND sk > :sk", values, Limit=100)
    at = f"{tick:%Y-%m-%dT%H:%M}"
    return next((row for row in rows if row.get("reason") == UNDELIVERABLE and at in row.get("error", "")), {})


def _nearby(job: str, tick: datetime, now: datetime) -> list[tuple[str, Entry, datetime]]:
    """Other jobs that were due nearby, each with its tick.

    The nearest are first.
    """
    until = min(tick + NEARBY, now - ledger.SETTLING_TIME)
    due = (
        (abs(at - tick), name, entry, at)
        for name, entry in manifest.load().items()
        if name != job and not entry["queue"]
        for at in ledger.expected_ticks(entry, tick - NEARBY, until + MINUTE)
    )
    nearest: dict[str, tuple[str, Entry, datetime]] = {}
    for _, name, entry, at in sorted(due, key=lambda each: each[:2]):
        nearest.setdefault(name, (name, entry, at))
    return [*nearest.values()][:OTHER_JOBS]
