"""Since when the ticks of each job are expected.

One row, `ledger` / `jobs`, which the reconciler updates.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.store import keys, table
from shared.store.table import ConditionFailed
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.manifest import Entry

# The manifest is deployed with the operations stack, the stacks of the jobs one after the other after it.
ROLLOUT = timedelta(hours=1)
TRIES = 3


class ExpectedSinceConflict(Exception):
    """Other processes wrote the row before each try; nothing was written."""


def read(cloud: Cloud) -> dict[str, Any]:
    """Read the row.

    `jobs` has `since` and `schedules` of each job by name.
    """
    return table.get(cloud, STATE, keys.expected_since())


def since(item: Mapping[str, Any], job: str) -> datetime | None:
    """Return since when ticks of a job are expected.

    None for a job that the reconciler has not recorded yet.
    """
    recorded = item.get("jobs", {}).get(job)
    return clock.parse(recorded["since"]) if recorded else None


def refresh(cloud: Cloud, entries: Mapping[str, Entry]) -> dict[str, Any]:
    """Read the row, updated after a changed schedule.

    Raises ExpectedSinceConflict. A job that is new, or has a new schedule, counts from ROLLOUT after it was first seen:
    a tick without a trace before that may be one of a job that was not deployed yet.
    """
    counts = clock.minute(cloud.clock.now() + ROLLOUT)
    for _ in range(TRIES):
        item = read(cloud)
        recorded = item.get("jobs", {})
        jobs = {}
        for name, entry in sorted(entries.items()):
            schedules = ", ".join(entry["schedules"])
            unchanged = name in recorded and recorded[name]["schedules"] == schedules
            jobs[name] = recorded[name] if unchanged else {"since": counts, "schedules": schedules}
        if jobs == recorded:
            return item
        updated = {**keys.expected_since().attributes, "jobs": jobs, "version": item.get("version", 0) + 1}
        if _write(cloud, updated):
            return updated
    raise ExpectedSinceConflict(f"the row `ledger` / `jobs` was written by others {TRIES} times while it was updated")


def _write(cloud: Cloud, item: Mapping[str, Any]) -> bool:
    # No `won`: after a lost reply the next try reads what this one wrote, and has nothing to write.
    condition, values = "attribute_not_exists(version) OR version = :before", {":before": item["version"] - 1}
    try:
        table.put_if(cloud, STATE, item, condition, values)
    except ConditionFailed:
        return False
    return True
