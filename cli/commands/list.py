"""List the jobs with their schedules and next ticks."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cli import declared_jobs, output
from cli.exit_codes import Exit
from shared import clock
from shared.clock import Clock

if TYPE_CHECKING:
    from cli.shapes.jobs import ListedJob
    from shared.job.declared_job import DeclaredJob

EXAMPLES = ("list", "list sites", "list --json")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", nargs="?", help="only the jobs of this group (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON array")


def call(args: argparse.Namespace) -> int:
    declared_jobs.require_group(args.group)
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


def _next(job: DeclaredJob, now: datetime) -> str | None:
    tick = job.next_tick(now)
    return clock.iso(tick) if tick else None


def _row(job: DeclaredJob, listed: ListedJob, facts: Sequence[Any], now: datetime) -> list[Any]:
    (attempts, strategy), tick = facts, job.next_tick(now)
    fires = listed["schedule"] or (f"queue {job.queue}" if job.queue else "by hand")
    due = output.time_until(tick, now) if tick else ""
    return [job.name, job.group, fires, due, attempts, f"{job.timeout} s", listed["memory_mb"], strategy]
