"""Runs of a job as the table `state` has them.

Those that hold a claim now, and the history.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared import clock
from shared.aws.cloud import Cloud
from shared.job import retention
from shared.job.definition import Job
from shared.store import keys, table
from shared.tables import STATE, TTL

# Bookkeeping of the table, not of the run.
HIDDEN = ("pk", "sk", "duplicate", TTL)


def running(cloud: Cloud, job: Job) -> Iterator[dict[str, Any]]:
    """One row for each held claim, also with an expired lease."""
    now = clock.milliseconds(cloud.clock.now())
    for item in _newest_first(cloud, keys.claims(job.key)):
        if "holder" in item:
            holds_lease = item.get("lease_until", 0) >= now
            yield {
                "run_id": item["holder"],
                "job": job.name,
                "target": item["sk"],
                "tick": item.get("last_attempt", "").rpartition("#")[0] or None,
                "started": item.get("started"),
                "outcome": "running" if holds_lease else "dead",
                "note": f"{item.get('step', 'started')} {item.get('progress', 0)} %"
                if holds_lease
                else "its lease has expired; the reconciler will mark it lost",
            }


def ended(
    cloud: Cloud, job: Job, since: datetime | None = None, attributes_read: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """History rows, newest first.

    One query a day, back to the day of `since` (default: the last day within retention).

    attributes_read: besides the run's id; all attributes if empty.
    """
    # The outcome and the expiry decide whether a row is yielded.
    read = (*attributes_read, "sk", "outcome", TTL) if attributes_read else ()
    now = cloud.clock.now()
    # One day more: a row is stored under the day of its run's start and retained from its end.
    oldest = now - retention.read(job.retention).failed.age - timedelta(days=1)
    if since is not None:
        oldest = max(oldest, since)
    for days in range((now.date() - oldest.date()).days + 1):
        day = now - timedelta(days=days)
        for item in _newest_first(cloud, keys.runs(job.name, f"{day:%Y-%m-%d}"), dict.fromkeys(read)):
            if item.get(TTL, 0) > now.timestamp() and "outcome" in item:
                shown = {name: value for name, value in item.items() if name not in HIDDEN}
                yield {"run_id": item["sk"], **shown}


def started_since(cloud: Cloud, job: str, since: datetime) -> list[dict[str, Any]]:
    """History rows of runs that started at or after `since`, oldest first."""
    rows = [
        row
        for day in sorted({since.date(), cloud.clock.now().date()})
        for row in table.query(
            cloud,
            STATE,
            "pk = :pk AND sk >= :since",
            {":pk": keys.runs(job, f"{day:%Y-%m-%d}"), ":since": f"{since:%Y%m%dT%H%M%S}"},
        )
    ]
    # A row without an outcome counts duplicates of a run that has not ended.
    return [row for row in rows if "outcome" in row]


def _newest_first(cloud: Cloud, pk: str, attributes_read: Iterable[str] = ()) -> Iterator[dict[str, Any]]:
    return table.query(
        cloud, STATE, "pk = :pk", {":pk": pk}, attributes_read=tuple(attributes_read), ScanIndexForward=False
    )
