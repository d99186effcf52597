"""What jobs there are."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cli import output
from cli.exit_codes import Exit
from shared.clock import Clock, iso
from shared.job import registry
from shared.job.definition import Job


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", nargs="?", help="only the jobs of this group")
    parser.add_argument("--json", action="store_true", help="one JSON array")


def call(args: argparse.Namespace) -> int:
    now = Clock().now()
    jobs = [job for job in registry.jobs().values() if args.group in (None, job.group)]
    if args.json:
        output.document([described(job, now) for job in jobs])
        return Exit.DONE
    columns = ["job", "group", "fires", "next (UTC)", "tries", "timeout", "MB", "idempotency"]
    output.table(columns, _rows(jobs, now), spare=["MB", "timeout", "group", "idempotency", "tries"])
    return Exit.DONE


def described(job: Job, now: datetime) -> dict[str, Any]:
    """A job as `list --json` shows it; times are ISO 8601 in UTC, null where none is known."""
    tick = upcoming(job, now)
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


def upcoming(job: Job, now: datetime) -> datetime | None:
    """The next tick of any of its schedules."""
    return min((next(schedule.after(now)) for schedule in job.schedules()), default=None)


def _rows(jobs: list[Job], now: datetime) -> Iterator[list[Any]]:
    for job in jobs:
        tick = upcoming(job, now)
        fires = ", ".join(map(str, job.schedules())) or (f"queue {job.queue}" if job.queue else "by hand")
        strategy = job.idempotency.strategy if job.idempotency else ""
        yield [
            job.name,
            job.group,
            fires,
            output.until(tick, now) if tick else "",
            job.retry.attempts,
            f"{job.timeout} s",
            job.memory,
            strategy,
        ]
