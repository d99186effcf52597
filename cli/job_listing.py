"""A job with the values in force, as `list` shows it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shared import redaction
from shared.job import in_force
from shared.job.definition import Job

if TYPE_CHECKING:
    from cli.shapes.jobs import ListedJob


def job_data(job: Job) -> ListedJob:
    """A job as `list --json` shows it, without its next tick.

    Its values are those in force in this environment.
    """
    active = in_force.values(job, os.environ)
    return {
        "name": job.name,
        "group": job.group,
        "purpose": job.purpose(),
        "schedule": ", ".join(map(str, job.schedules())) or None,
        "next": None,
        "queue": job.queue,
        "retry": str(job.retry),
        "timeout_s": job.timeout,
        "memory_mb": job.memory,
        "guarantee": str(job.idempotency),
        "enabled": active.enabled,
        "cap": active.cap,
        "budget": str(active.budget) if active.budget else None,
        "retention": job.retention,
        "run_by": active.run_by,
        "shards": job.shards,
        "costly": job.costly,
        "status_key": f"{job.key}:last",
        "origins": {"timeout_s": in_force.DECLARED, "memory_mb": in_force.DECLARED, **active.origins},
        "faults": [redaction.text(fault) for fault in active.faults],
    }
