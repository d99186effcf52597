"""Show the status of each job that has run, failing jobs first."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, NoReturn

from cli import job_standing, options, output, registered_jobs
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_job
from cli.job_standing import Standing
from cli.unreachable import read_or_report
from shared import redaction
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.job.definition import Job
from shared.run import status_view

EXAMPLES = (
    "status",
    "status pricing",
    "status --bad --group sites",
    "status --tenant org_1",
    "status --watch --aws --stage prod",
    "status --json --aws --stage prod",
)
# Seconds between two reads of --watch.
POLL = 5.0
COLUMNS = ["job", "state", "last run", "last good", "targets", "note"]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", help="only this job (default: all)")
    parser.add_argument("--bad", action="store_true", help="only jobs whose last run was not good")
    parser.add_argument("--group", metavar="G", help="only the jobs of this group (default: all)")
    parser.add_argument(
        "--tenant", metavar="ORG", help="only jobs with failed messages or a pause of this organization (default: all)"
    )
    parser.add_argument(
        "--watch", action="store_true", help="go on with a line for each job whose state changes, until Ctrl-C"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, by status key")
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    if args.json and args.watch:
        raise CommandError(Exit.WRONG_USE, "--json prints one document and --watch never ends; use one of them")
    jobs = {find_job(args.job).name: find_job(args.job)} if args.job else registered_jobs.jobs()
    jobs = {name: job for name, job in jobs.items() if args.group in (None, job.group)}
    with options.open_cloud(args, reading=True) as cloud:
        found = _read(cloud, jobs, args.tenant)
        shown = [each for each in found if each.failing or not args.bad]
        if args.json:
            keys = ((each, key) for each in shown for key in (each.bad if args.bad else each.views))
            output.document({key: each.views[key] for each, key in keys})
            return Exit.DONE
        if rows := [_row(each, cloud.clock.now()) for each in shown if each.views or each.tenant_note]:
            output.table(COLUMNS, rows, spare=["last good"])
        print(job_standing.sums(found), flush=True)
        if args.watch:
            # Ctrl-C is the normal end, not a failure.
            with suppress(KeyboardInterrupt):
                _watch(cloud, partial(_read, cloud, jobs, args.tenant), found, args.bad)
    return Exit.DONE


def _read(cloud: Cloud, jobs: Mapping[str, Job], tenant: str | None) -> list[Standing]:
    entries = manifest.of(jobs.values())
    found = job_standing.by_job(entries, status_view.read(cloud, entries))
    return job_standing.of_tenant(cloud, jobs, found, tenant) if tenant else found


def _watch(cloud: Cloud, read: Callable[[], list[Standing]], found: list[Standing], bad: bool) -> NoReturn:
    """Print a line for each change.

    bad: only of jobs that fail, or that have recovered.
    """
    before = {each.job: each for each in found}
    while True:
        time.sleep(POLL)
        for each in read_or_report(read, "the status"):
            last = before.get(each.job)
            before[each.job] = each
            if (last is None or _watched(last) != _watched(each)) and (
                not bad or each.failing or (last is not None and last.failing)
            ):
                facts = filter(None, (each.targets, redaction.text(each.note)))
                print(f"{cloud.clock.now():%H:%M:%S}  {each.job}: {'; '.join((each.word, *facts))}", flush=True)


def _watched(each: Standing) -> tuple[Any, ...]:
    """The state without the times and errors that each run changes."""
    pauses = [(view.get("paused"), view.get("pauses")) for view in each.views.values()]
    return each.kind, each.targets, each.tenant_failures, pauses


def _row(each: Standing, now: datetime) -> list[Any]:
    return [
        each.job,
        output.verdict(each.word, not each.failing),
        output.age(each.last, now),
        output.age(each.last_good, now),
        each.targets,
        each.note,
    ]
