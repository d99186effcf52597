"""Manifest of all jobs as JSON, generated at synth.

For the functions that serve all jobs without their code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TypedDict

from shared.job.definition import Job
from shared.job.retry import RetryPolicy
from shared.job.setting import BASE_URLS, SettingError
from shared.job.validation import methods

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
    #: Targets as deployed; None where any name is one.
    targets: list[str] | None
    #: Whether it has had other targets than its shards: hosts of a setting, or any name.
    named_targets: bool


def of(jobs: Iterable[Job], environment: Mapping[str, str] | None = None) -> dict[str, Entry]:
    """Entry of each job by name.

    Read by dispatch, dead_letters, reconciler, trigger and console. environment: has the settings (default: the
    process's own).
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
            targets=_targets(job, environment),
            named_targets=_has_named_targets(job),
        )
        for job in jobs
    }


def _has_named_targets(job: Job) -> bool:
    return job.by_name or BASE_URLS in job.all_settings() or "targets" in methods(type(job))


def _targets(job: Job, environment: Mapping[str, str] | None) -> list[str] | None:
    try:
        targets = job.targets(environment)
    except SettingError:
        # Reported by the job itself; it has no target that it could visit.
        return []
    return None if targets is None else list(targets)


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
