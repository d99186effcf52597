"""Mute the alerts about a job, and end a mute."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.admin import audit
from shared.advised_commands import advised
from shared.job.definition import Job
from shared.observability import mutes
from shared.observability.mutes import ALL_KINDS, Mute
from shared.store import keys
from shared.store.transaction import Delete, Put, TransactionCancelled, Write, write_together
from shared.tables import STATE, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# A mute ends by itself; a longer one would be forgotten.
LONGEST = timedelta(days=7)


class MuteRefused(Exception):
    """The alerts cannot be muted, or are not muted; nothing was done."""


def mute(cloud: Cloud, job: Job, about: str, kind: str, operator: str, reason: str, until: datetime) -> Mute:
    """Mute the alerts about a job or one of its targets.

    Raises MuteRefused, and audit.ReasonMissing.
    """
    now = cloud.clock.now()
    if until > now + LONGEST:
        raise MuteRefused(f"a mute ends within {LONGEST.days} days, by {clock.iso(now + LONGEST)}; nothing was done")
    why = redaction.excerpt(reason, redaction.LONG)
    who, queue = redaction.excerpt(operator, redaction.SHORT), job.queue or "" if about == job.name else ""
    new = Mute(job.name, about, queue, kind, who, why, clock.iso(now), clock.iso(until))
    row = Put(
        STATE,
        {
            **keys.mute(about, kind).attributes,
            **{name: getattr(new, name) for name in Mute.__slots__},
            TTL: ceil(until.timestamp()),
        },
        # The row of a mute that has ended stays until the TTL deletes it.
        condition="attribute_not_exists(pk) OR #until <= :now",
        values={":now": clock.iso(now)},
        names={"#until": "until"},
    )
    _write(cloud, [row, _audit(cloud, new, "mute", operator, reason)], f"alerts about {about} are muted already")
    return new


def unmute(cloud: Cloud, about: str, kind: str, operator: str, reason: str) -> Mute:
    """End a mute.

    Its alerts are sent by the next run of job-monitoring. Raises MuteRefused, and audit.ReasonMissing.
    """
    found = next((each for each in mutes.read(cloud) if (each.about, each.kind) == (about, kind)), None)
    if found is None:
        which = "" if kind == ALL_KINDS else f" {kind}"
        raise MuteRefused(f"no alert{which} about {about} is muted; nothing was done")
    row = Delete(STATE, keys.mute(about, kind), condition="since = :since", values={":since": found.since})
    _write(cloud, [row, _audit(cloud, found, "unmute", operator, reason)], f"the mute of {about} was changed")
    return found


def sentence(muted: Mute) -> str:
    """`all alerts about pricing are muted until ... by ada: index rebuild`."""
    kind = "all alerts" if muted.kind == ALL_KINDS else f"alerts {muted.kind}"
    until = f"{muted.until[:16].replace('T', ' ')} UTC"
    return f"{kind} about {muted.about} are muted until {until} by {muted.who}: {muted.why}"


def _audit(cloud: Cloud, muted: Mute, action: str, operator: str, reason: str) -> Put:
    # In the same transaction: neither the mute nor its audit entry exists without the other.
    scope = {"job": muted.job, "about": muted.about, "kind": muted.kind, "until": muted.until}
    entry = audit.OperatorAuditEntry(cloud, action, operator, reason, scope)
    ended: dict[str, Any] = {"count": 1, "ended": clock.iso(cloud.clock.now()), "end": "done"}
    return Put(STATE, {**entry.row, **ended})


def _write(cloud: Cloud, writes: list[Write], refusal: str) -> None:
    try:
        write_together(cloud, writes)
    except TransactionCancelled as error:
        if not (error.condition_failed or error.conflicted):
            raise
        listing = advised(cloud.names.stage, "mute")
        raise MuteRefused(f"{refusal}; `{listing}` lists them; nothing was done") from None
