"""List the jobs with their schedules and next ticks."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cli import output, registered_jobs
from cli.exit_codes import Exit
from cli.job_arguments import next_tick
from shared.clock import Clock, iso
from shared.job import in_force
from shared.job.definition import Job
from shared.job.in_force import DECLARED

if TYPE_CHECKING:
    from cli.shapes.jobs import ListedJob

EXAMPLES = ("list", "list sites", "list --json")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", nargs="?", help="only the jobs of this group (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON array")


def call(args: argparse.Namespace) -> int:
    now = Clock().now()
    jobs = [job for job in registered_jobs.jobs().values() if args.group in (None, job.group)]
    if args.json:
        output.document([job_data(job, now) for job in jobs])
        return Exit.DONE
    columns = ["job", "group", "fires", "next (UTC)", "tries", "timeout", "MB", "idempotency"]
    output.table(columns, _rows(jobs, now), spare=["MB", "timeout", "group", "idempotency", "tries"])
    return Exit.DONE


def job_data(job: Job, now: datetime) -> ListedJob:
    """A job as `list --json` shows it.

    Its values are those in force in this environment. Times are ISO 8601 in UTC, null without a value.
    """
    tick, active = next_tick(job, now), in_force.values(job, os.environ)
    return {
        "name": job.name,
        "group": job.group,
        "purpose": job.purpose(),
        "schedule": ", ".join(map(str, job.schedules())) or None,
        "next": iso(tick) if tick else None,
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
        "origins": {"timeout_s": DECLARED, "memory_mb": DECLARED, **active.origins},
        "faults": list(active.faults),
    }


def _rows(jobs: list[Job], now: datetime) -> Iterator[list[Any]]:
    for job in jobs:
        tick = next_tick(job, now)
        fires = ", ".join(map(str, job.schedules())) or (f"queue {job.queue}" if job.queue else "by hand")
        strategy = job.idempotency.strategy if job.idempotency else ""
        yield [
            job.name,
            job.group,
            fires,
            output.time_until(tick, now) if tick else "",
            job.retry.attempts,
            f"{job.timeout} s",
            job.memory,
            strategy,
        ]
