"""Pauses: a job held back, or one target or tenant of it; in data, with who and why, so that no deploy loses them.

Each is a row `pause#<job>` / `job`, `target#<t>` or `tenant#<org>`. The job's own is `paused` on its claim items too,
where the claim's condition finds it. Of the others the nonce `partly` on those items tells, which a claim returns for
nothing: a run reads rows only while there are any. Every change of them changes it, and so finds another's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from shared import clock
from shared.aws import attributes
from shared.aws.names import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

WHOLE, TARGET, TENANT = "job", "target", "tenant"
# Milliseconds for which who takes no claim believes what was read.
FRESH = 60_000

_known: WeakKeyDictionary[Any, dict[str, tuple[int, dict[str, Pause]]]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Pause:
    """part: `job`, `target#<t>` or `tenant#<org>`. text: who and why, cut to `status.SHORT`. since: an instant.

    still: of one that was taken off, the budget that holds the job all the same.
    """

    job: str
    part: str
    text: str
    who: str = ""
    why: str = ""
    since: str = ""
    still: str = ""

    @property
    def what(self) -> str:
        """`pricing`, `pricing for target shop.example`."""
        return self.job if self.part == WHOLE else f"{self.job} for {self.part.replace('#', ' ', 1)}"

    @property
    def told(self) -> str:
        return f"{self.what} is paused{self.by}"

    @property
    def by(self) -> str:
        """` since 2026-03-02 12:00 UTC by ada: index rebuild`."""
        since = f" since {self.since[:16].replace('T', ' ')} UTC" if self.since else ""
        return f"{since} by {self.text}"


def part(target: str | None = None, tenant: str | None = None) -> str:
    """What a pause is of, as its row's sort key."""
    return f"{TARGET}#{target}" if target else f"{TENANT}#{tenant}" if tenant else WHOLE


def standing(cloud: Cloud, job: str, claims: Mapping[str, Mapping[str, Any]]) -> dict[str, Pause]:
    """A job's pauses by what they are of. One query. claims: its items; what a run has paused, braking, has no row."""
    found = read(cloud, job)
    braked = [str(item["paused"]) for sk, item in sorted(claims.items()) if "paused" in item and part(sk) not in found]
    return found if not braked or WHOLE in found else {WHOLE: Pause(job, WHOLE, braked[0]), **found}


def read(cloud: Cloud, job: str) -> dict[str, Pause]:
    """The rows, by what they are of. One query, strongly consistent."""
    pages = cloud.dynamodb.get_paginator("query").paginate(
        TableName=cloud.names.table(STATE),
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=attributes.row({":pk": f"pause#{job}"}),
        ConsistentRead=True,
    )
    found = (attributes.plain(item) for page in pages for item in page["Items"])
    return {row["sk"]: Pause(job, row["sk"], row["text"], row["who"], row["why"], row["since"]) for row in found}


def recent(cloud: Cloud, job: str) -> Mapping[str, Pause]:
    """The rows as they were at most a minute ago in this process: for consumers, which take no claim."""
    now = clock.milliseconds(cloud.clock.now())
    known = _known.setdefault(cloud, {})
    if job not in known or now - known[job][0] >= FRESH:
        known[job] = now, read(cloud, job)
    return known[job][1]
