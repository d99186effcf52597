"""Manifest of all jobs as JSON, generated at synth.

For the functions that serve all jobs without their code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TypedDict

from shared.job.definition import Job
from shared.job.retry import RetryPolicy

FILE = "manifest.json"


class Entry(TypedDict):
    id: str
    group: str
    key: str
    queue: str | None
    schedules: list[str]
    kind: str
    delays: list[int]
    timeout: int
    lease_per_target: bool
    shards: int
    collector: bool
    budgeted: bool
    retention: str
    grace: int | None
    catch_up: str
    effects: bool
    heartbeat: str


def of(jobs: Iterable[Job]) -> dict[str, Entry]:
    """Entry of each job by name.

    Read by dispatch, dead_letters, reconciler, trigger and console.
    """
    return {
        job.name: Entry(
            id=job.id,
            group=job.group,
            key=job.key,
            queue=job.queue,
            schedules=[str(schedule) for schedule in job.schedules()],
            kind=job.retry.kind,
            delays=list(job.retry.delays),
            timeout=job.timeout,
            lease_per_target=job.lease_per_target,
            shards=job.shards,
            collector=job.collector,
            budgeted=job.budget is not None,
            retention=job.retention,
            grace=job.grace,
            catch_up=job.catches_up().value,
            effects=job.effects is not None,
            heartbeat=job.heartbeat().name,
        )
        for job in jobs
    }


def policy(entry: Entry) -> RetryPolicy:
    return RetryPolicy(entry["kind"], tuple(entry["delays"]))


@cache
def load() -> dict[str, Entry]:
    """Manifest of this bundle.

    A checkout has none: it is generated from the registry.
    """
    shipped = Path(__file__).resolve().parents[2] / FILE
    if shipped.exists():
        loaded: dict[str, Entry] = json.loads(shipped.read_text())
        return loaded
    from shared.job import registry

    return of(registry.discover().jobs.values())
