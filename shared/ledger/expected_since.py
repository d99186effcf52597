"""Since when each job's ticks are expected: one item, `ledger` / `jobs`, that the reconciler keeps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws import attributes
from shared.aws.names import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.manifest import Entry

KEY = {"pk": "ledger", "sk": "jobs"}
# The manifest is deployed with the operations, the jobs' own stacks one after the other behind it.
ROLLOUT = timedelta(hours=1)
TRIES = 3


class ExpectedSinceConflict(Exception):
    """Somebody else wrote the roster each time that it was read."""


def read(cloud: Cloud) -> dict[str, Any]:
    """The item: `jobs` has `since` and `schedules` of each by name."""
    answer = cloud.dynamodb.get_item(TableName=cloud.names.table(STATE), Key=attributes.row(KEY), ConsistentRead=True)
    return attributes.plain(answer.get("Item"))


def since(item: Mapping[str, Any], job: str) -> datetime | None:
    """From when on its ticks are expected; None for a job that the reconciler has not met yet."""
    known = item.get("jobs", {}).get(job)
    return clock.parse(known["since"]) if known else None


def kept(cloud: Cloud, entries: Mapping[str, Entry]) -> dict[str, Any]:
    """The item, brought up to date: a read, and a write only after a deployment that changed a schedule.

    A job that is new, or fires at other times, counts from ROLLOUT after it was first seen so: what left no trace
    before that may not have been deployed yet.
    """
    counts = clock.minute(cloud.clock.now() + ROLLOUT)
    for _ in range(TRIES):
        item = read(cloud)
        known = item.get("jobs", {})
        jobs = {}
        for name, entry in sorted(entries.items()):
            schedules = ", ".join(entry["schedules"])
            same = name in known and known[name]["schedules"] == schedules
            jobs[name] = known[name] if same else {"since": counts, "schedules": schedules}
        if jobs == known:
            return item
        made = {**KEY, "jobs": jobs, "version": item.get("version", 0) + 1}
        if _write(cloud, made):
            return made
    raise ExpectedSinceConflict(f"{KEY['pk']} / {KEY['sk']} was written {TRIES} times while it was being read")


def _write(cloud: Cloud, item: Mapping[str, Any]) -> bool:
    try:
        cloud.dynamodb.put_item(
            TableName=cloud.names.table(STATE),
            Item=attributes.row(item),
            ConditionExpression="attribute_not_exists(version) OR version = :before",
            ExpressionAttributeValues=attributes.row({":before": item["version"] - 1}),
        )
    except cloud.ConditionalCheckFailed:
        return False
    return True
