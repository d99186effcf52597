"""Show the status of each job that has run, failing jobs first."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any

from cli import job_standing, options, output, registered_jobs
from cli.exit_codes import Exit
from cli.job_standing import Standing
from shared.job import manifest
from shared.run import status_view

EXAMPLES = ("status", "status --bad --group sites", "status --tenant org_1", "status --json --aws --stage prod")
COLUMNS = ["job", "state", "last run", "last good", "targets", "note"]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bad", action="store_true", help="only jobs whose last run was not good")
    parser.add_argument("--group", metavar="G", help="only the jobs of this group (default: all)")
    parser.add_argument(
        "--tenant", metavar="ORG", help="only jobs with failed messages or a pause of this organization (default: all)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, by status key")
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    jobs = {name: job for name, job in registered_jobs.jobs().items() if args.group in (None, job.group)}
    entries = manifest.of(jobs.values())
    with options.open_cloud(args, reading=True) as cloud:
        views = status_view.read(cloud, entries)
        found = job_standing.by_job(entries, views)
        now = cloud.clock.now()
        if args.tenant:
            found = job_standing.of_tenant(cloud, jobs, found, args.tenant)
    shown = [each for each in found if each.failing or not args.bad]
    if args.json:
        output.document({key: each.views[key] for each in shown for key in (each.bad if args.bad else each.views)})
        return Exit.DONE
    if rows := [_row(each, now) for each in shown if each.views or each.tenant_note]:
        output.table(COLUMNS, rows, spare=["last good"])
    print(job_standing.sums(found))
    return Exit.DONE


def _row(each: Standing, now: datetime) -> list[Any]:
    return [
        each.job,
        output.verdict(each.word, not each.failing),
        output.age(each.last, now),
        output.age(each.last_good, now),
        each.targets,
        each.note,
    ]
