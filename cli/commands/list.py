"""List the jobs with their schedules and next ticks."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cli import declared_jobs, output
from cli.exit_codes import Exit
from shared import clock, redaction
from shared.clock import Clock

if TYPE_CHECKING:
    from cli.shapes.jobs import ListedJob
    from shared.job.declared_job import DeclaredJob
    from shared.job.definition import Job

EXAMPLES = ("list", "list sites", "list --json")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", nargs="?", help="only the jobs of this group (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON array")


def call(args: argparse.Namespace) -> int:
    now = Clock().now()
    jobs = [job for job in declared_jobs.jobs().values() if args.group in (None, job.group)]
    found = declared_jobs.read()
    if args.json:
        output.document([{**found.listed[job.name], "next": _next(job, now)} for job in jobs])
        return Exit.DONE
    columns = ["job", "group", "fires", "next (UTC)", "tries", "timeout", "MB", "idempotency"]
    rows = (_row(job, found.listed[job.name], found.facts[job.name], now) for job in jobs)
    output.table(columns, rows, spare=["MB", "timeout", "group", "idempotency", "tries"])
    return Exit.DONE


def job_data(job: Job) -> ListedJob:
    """A job as `list --json` shows it, without its next tick.

    Its values are those in force in this environment.
    """
    # Imported lazily: a list of declarations needs no settings.
    from shared.job import in_force

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


def _next(job: DeclaredJob, now: datetime) -> str | None:
    tick = job.next_tick(now)
    return clock.iso(tick) if tick else None


def _row(job: DeclaredJob, listed: ListedJob, facts: Sequence[Any], now: datetime) -> list[Any]:
    (attempts, strategy), tick = facts, job.next_tick(now)
    fires = listed["schedule"] or (f"queue {job.queue}" if job.queue else "by hand")
    due = output.time_until(tick, now) if tick else ""
    return [job.name, job.group, fires, due, attempts, f"{job.timeout} s", listed["memory_mb"], strategy]
