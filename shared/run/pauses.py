"""Pauses of a job, or of one target or tenant.

Set by an operator or by the brake.

Pauses are data, so that no deployment loses them. Each is a row `pause#<job>` / `job`, `target#<t>` or `tenant#<org>`.
A pause of the whole job is also `paused` in its claim items, where the condition of the claim finds it. For the others
those items have the nonce `partial_pauses`, which the claim returns at no cost: a run reads the rows only while there
are any. Each change of a pause changes the nonce, and so detects concurrent changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from shared import clock
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
        """` since 2026-03-02 12:00 UTC by ada: index rebuild`."""
        since = f" since {self.since[:16].replace('T', ' ')} UTC" if self.since else ""
        return f"{since} by {self.text}"


def part(target: str | None = None, tenant: str | None = None) -> str:
    """Return the sort key for a pause of a job or part."""
    return f"{TARGET}#{target}" if target else f"{TENANT}#{tenant}" if tenant else WHOLE


def in_force(cloud: Cloud, job: str, claims: Mapping[str, Mapping[str, Any]]) -> dict[str, Pause]:
    """Return a job's pauses by part. One query.

    Includes a pause by the brake, which has no row.

    claims: the job's claim items by sort key.
    """
    found = read(cloud, job)
    braked = [str(item["paused"]) for sk, item in sorted(claims.items()) if "paused" in item and part(sk) not in found]
    return found if not braked or WHOLE in found else {WHOLE: Pause(job, WHOLE, braked[0]), **found}


def read(cloud: Cloud, job: str) -> dict[str, Pause]:
    """Read the pause rows of a job, by part.

    One strongly consistent query.
    """
    rows = table.query(cloud, STATE, "pk = :pk", {":pk": keys.pauses(job)}, ConsistentRead=True)
    return {row["sk"]: Pause(job, row["sk"], row["text"], row["who"], row["why"], row["since"]) for row in rows}


def recent(cloud: Cloud, job: str) -> Mapping[str, Pause]:
    """Return the pauses of a job, at most a minute old."""
    now = clock.milliseconds(cloud.clock.now())
    cached = _cache.setdefault(cloud, {})
    if job not in cached or now - cached[job][0] >= CACHE_TIME:
        cached[job] = now, read(cloud, job)
    return cached[job][1]
