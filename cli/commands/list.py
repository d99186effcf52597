"""List the jobs with their schedules and next ticks."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cli import output, registered_jobs
from cli.exit_codes import Exit
from cli.job_arguments import next_tick
from shared.clock import Clock, iso
from shared.job.definition import Job

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


def job_data(job: Job, now: datetime) -> dict[str, Any]:
    """A job as `list --json` shows it.

    Times are ISO 8601 in UTC, null without a value.
    """
    tick = next_tick(job, now)
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
        "cap": job.cap,
        "budget": str(job.budget) if job.budget else None,
        "shards": job.shards,
        "costly": job.costly,
        "status_key": f"{job.key}:last",
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
