"""Pauses of a job, or of one target or tenant.

Set by an operator or by the brake.

Pauses are data, so that no deployment loses them. Each is a row `pause#<job>` / `job`, `target#<t>` or `tenant#<org>`.
A pause of the whole job is also `paused` in its claim items, where the condition of the claim finds it. For the others
those items have the nonce `partial_pauses`, which the claim returns at no cost: a run reads the rows only while there
are any. Each change of a pause changes the nonce, and so detects concurrent changes.

A pause with an end is over then by itself: `paused_until` and `partial_pauses_until` in the claim items, `until` in the
rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from shared import clock
from shared.run.claim_write import without_ended_pauses
from shared.store import keys, table
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

WHOLE, TARGET, TENANT = "job", "target", "tenant"
# Milliseconds for which consumers and dry runs, which have no claim, reuse the pauses that they read.
CACHE_TIME = 60_000

_cache: WeakKeyDictionary[Any, dict[str, tuple[int, dict[str, Pause]]]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause of a job, or of a part of it."""

    #: Name of the job.
    job: str
    #: `job`, `target#<t>` or `tenant#<org>`.
    part: str
    #: Operator and reason, cut to `redaction.SHORT` characters.
    text: str
    #: The operator.
    who: str = ""
    #: The reason.
    why: str = ""
    #: Timestamp of the pause; empty where the brake set it.
    since: str = ""
    #: Timestamp of its end; empty for a pause until it is resumed.
    until: str = ""
    #: For a pause that was just removed: the used-up budget that still holds the job.
    budget_hold: str = ""

    @property
    def subject(self) -> str:
        """`pricing`, `pricing for target shop.example`."""
        return self.job if self.part == WHOLE else f"{self.job} for {self.part.replace('#', ' ', 1)}"

    @property
    def sentence(self) -> str:
        """`pricing is paused since 2026-03-02 12:00 UTC by ada: index rebuild`."""
        return f"{self.subject} is paused{self.by}"

    @property
    def by(self) -> str:
        """` since 2026-03-02 12:00 UTC by ada: index rebuild`.

        With its end, if it has one, after the start.
        """
        since = f" since {_minute(self.since)}" if self.since else ""
        until = f" until {_minute(self.until)}" if self.until else ""
        return f"{since}{until} by {self.text}"

    @property
    def note(self) -> str:
        """`ada: index rebuild (until 2026-03-02 18:00 UTC)`."""
        return with_end(self.text, self.until)

    def ended(self, now: datetime) -> bool:
        return bool(self.until) and self.until <= clock.iso(now)


def part(target: str | None = None, tenant: str | None = None) -> str:
    """Return the sort key for a pause of a job or part."""
    return f"{TARGET}#{target}" if target else f"{TENANT}#{tenant}" if tenant else WHOLE


def in_force(cloud: Cloud, job: str, claims: Mapping[str, Mapping[str, Any]]) -> dict[str, Pause]:
    """Return a job's pauses by part. One query.

    Includes a pause by the brake, which has no row.

    claims: the job's claim items by sort key.
    """
    found, now = read(cloud, job), cloud.clock.now()
    held = {sk: str(item["paused"]) for sk, item in claims.items() if "paused" in without_ended_pauses(item, now)}
    braked = [text for sk, text in sorted(held.items()) if part(sk) not in found]
    return found if not braked or WHOLE in found else {WHOLE: Pause(job, WHOLE, braked[0]), **found}


def read(cloud: Cloud, job: str) -> dict[str, Pause]:
    """Read the pauses of a job that have not ended, by part.

    One strongly consistent query.
    """
    rows = table.query(cloud, STATE, "pk = :pk", {":pk": keys.pauses(job)}, ConsistentRead=True)
    found = (
        Pause(job, row["sk"], row["text"], row["who"], row["why"], row["since"], row.get("until", "")) for row in rows
    )
    return _not_ended(cloud, {pause.part: pause for pause in found})


def recent(cloud: Cloud, job: str) -> Mapping[str, Pause]:
    """Return the pauses of a job, at most a minute old."""
    now = clock.milliseconds(cloud.clock.now())
    cached = _cache.setdefault(cloud, {})
    if job not in cached or now - cached[job][0] >= CACHE_TIME:
        cached[job] = now, read(cloud, job)
    return _not_ended(cloud, cached[job][1])


def note_of(item: Mapping[str, Any]) -> str:
    """Return operator, reason and end of a claim item's pause."""
    return with_end(str(item["paused"]), item.get("paused_until", ""))


def with_end(text: str, until: str) -> str:
    """Return the text of a pause, with its end if any."""
    return f"{text} (until {_minute(until)})" if until else text


def _not_ended(cloud: Cloud, pauses: Mapping[str, Pause]) -> dict[str, Pause]:
    now = cloud.clock.now()
    return {part: pause for part, pause in pauses.items() if not pause.ended(now)}


def _minute(timestamp: str) -> str:
    return f"{timestamp[:16].replace('T', ' ')} UTC"
