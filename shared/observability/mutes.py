"""Mutes: alerts about a job that wait until a time.

Each is a row `mute#alerts` / `<subject>#<kind>`. A muted alert is stored for every channel, and sent after the end of
the mute: nothing is lost, and no incident is marked as alerted without an alert.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared import clock
from shared.store import keys, table
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

ALL_KINDS = "*"


@dataclass(frozen=True, slots=True)
class Mute:
    """A mute of the alerts about one subject."""

    #: Name of the job.
    job: str
    #: Subject of the alerts: the job, or the job and its target.
    about: str
    #: Queue of the job, whose alerts are muted too; empty without one, and for a target.
    queue: str
    #: Kind of the alerts, such as `JOB_FAILING`; `*` for all.
    kind: str
    #: The operator.
    who: str
    #: The reason.
    why: str
    #: Timestamp of the mute.
    since: str
    #: Timestamp of its end.
    until: str

    def covers(self, kind: str, about: str) -> bool:
        """Return whether it mutes an alert."""
        of_job = about == self.about or about.startswith(f"{self.about} ")
        return self.kind in (ALL_KINDS, kind) and (of_job or (self.queue != "" and about == self.queue))


def read(cloud: Cloud) -> list[Mute]:
    """Read the mutes that have not ended. One query."""
    now = clock.iso(cloud.clock.now())
    rows = table.query(cloud, STATE, "pk = :pk", {":pk": keys.mutes()}, ConsistentRead=True)
    found = (Mute(**{name: row[name] for name in Mute.__slots__}) for row in rows)
    return [mute for mute in found if mute.until > now]


def read_or_none(cloud: Cloud) -> list[Mute]:
    """Read the mutes, and none where they cannot be read.

    An alert that is sent against a mute is better than one that is lost.
    """
    try:
        return read(cloud)
    except Exception:  # noqa: BLE001 - an alert must not be lost
        return []


def of_alert(mutes: Iterable[Mute], kind: str, about: str) -> Mute | None:
    """Return the mute of an alert that ends last, if any."""
    return max((mute for mute in mutes if mute.covers(kind, about)), key=lambda mute: mute.until, default=None)
