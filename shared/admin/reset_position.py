"""Reset a position that is ahead of the clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.admin import audit
from shared.job.definition import Job
from shared.run.claim_write import ahead
from shared.run.firing import MAX_SKEW
from shared.store import keys, table
from shared.store.transaction import Put, TransactionCancelled, Update, write_together
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud


class ResetRefused(Exception):
    """The position cannot be reset; nothing was done."""


def position_ahead(item: Mapping[str, Any], now: datetime) -> str:
    """Return the position of an item that is ahead of the clock.

    Else empty. A machine with a wrong clock has run its tick.
    """
    last = str(item.get("last", ""))
    return last if last > ahead(now, MAX_SKEW) else ""


def planned_reset(cloud: Cloud, job: Job, target: str) -> str:
    """Return the position that a reset would forget.

    Raises ResetRefused.
    """
    return _ahead(job, table.get(cloud, STATE, keys.claim(job.key, target)), cloud.clock.now())


def reset_position(cloud: Cloud, job: Job, target: str, operator: str, reason: str) -> str:
    """Set the position to the minute before now.

    Returns the one it had.

    Older ticks stay superseded. Raises ResetRefused where the position is not ahead of the clock and none was.
    """
    now = cloud.clock.now()
    key = keys.claim(job.key, target)
    item = table.get(cloud, STATE, key)
    was = _ahead(job, item, now)
    if position_ahead(item, now):
        new = f"{clock.minute(now - timedelta(minutes=1))}#00"
        sets, condition = (
            "SET #last = :new REMOVE last_attempt, quarantined",
            "#last = :was AND attribute_not_exists(holder)",
        )
        update = Update(
            STATE, key, sets, condition=condition, values={":was": was, ":new": new}, names={"#last": "last"}
        )
    else:
        update = Update(STATE, key, "REMOVE quarantined", condition="quarantined = :was", values={":was": was})
    entry = audit.OperatorAuditEntry(cloud, "reset", operator, reason, {"job": job.name, "of": target, "was": was})
    try:
        write_together(cloud, [Put(STATE, {**entry.row, "count": 1, "ended": clock.iso(now), "end": "done"}), update])
    except TransactionCancelled as error:
        if not (error.condition_failed or error.conflicted):
            raise
        raise ResetRefused(f"{job.name} runs at the moment, or was reset by another; nothing was done") from None
    return was


def _ahead(job: Job, item: Mapping[str, Any], now: datetime) -> str:
    """The position ahead of the clock, or one that a run overruled."""
    if was := position_ahead(item, now) or str(item.get("quarantined", "")):
        return was
    last = str(item.get("last", ""))[:17] or "none"
    raise ResetRefused(f"{job.name}: its last tick is {last}, not ahead of the clock; nothing was done")
