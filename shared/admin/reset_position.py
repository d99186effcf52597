"""Reset a position that is ahead of the clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.admin import audit
from shared.job.definition import Job
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
    return last if last > f"{clock.minute(now + MAX_SKEW)}#99" else ""


def reset_position(cloud: Cloud, job: Job, target: str, operator: str, reason: str) -> str:
    """Set the position to the minute before now.

    Returns the one it had.

    Older ticks stay superseded. Raises ResetRefused where the position is not ahead of the clock and none was.
    """
    now = cloud.clock.now()
    key = keys.claim(job.key, target)
    item = table.get(cloud, STATE, key)
    last, quarantined = str(item.get("last", "")), str(item.get("quarantined", ""))
    ahead = position_ahead(item, now)
    if not ahead and not quarantined:
        raise ResetRefused(
            f"{job.name}: its last tick is {last[:17] or 'none'}, not ahead of the clock; nothing was done"
        )
    sets = "SET #last = :new REMOVE last_attempt, quarantined" if ahead else "REMOVE quarantined"
    condition = "#last = :last AND attribute_not_exists(holder)" if ahead else "quarantined = :last"
    values = {":last": last if ahead else quarantined}
    if ahead:
        values[":new"] = f"{clock.minute(now - timedelta(minutes=1))}#00"
    entry = audit.OperatorAuditEntry(
        cloud, "reset", operator, reason, {"job": job.name, "of": target, "was": last if ahead else quarantined}
    )
    names = {"#last": "last"} if ahead else {}
    update = Update(STATE, key, sets, condition=condition, values=values, names=names)
    try:
        write_together(cloud, [Put(STATE, {**entry.row, "count": 1, "ended": clock.iso(now), "end": "done"}), update])
    except TransactionCancelled as error:
        if not (error.condition_failed or error.conflicted):
            raise
        raise ResetRefused(f"{job.name} runs at the moment, or was reset by another; nothing was done") from None
    return last if ahead else quarantined
