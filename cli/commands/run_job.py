"""`python jobs.py <job>`: run a job in this process."""

from __future__ import annotations

import argparse
import uuid
from dataclasses import replace
from datetime import datetime

from cli import dry_run, job_settings, log_lines, options, output, run_report
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_job, find_target
from cli.period import parse_minute
from cli.readonly_cloud import readonly
from cli.registered_jobs import require_valid_settings
from cli.watchdog import run_watched
from shared.aws.cloud import Cloud
from shared.clock import Clock
from shared.job import manifest
from shared.job.definition import INLINE, Job
from shared.observability.log import Log
from shared.run import lost_runs
from shared.run.begin import run_id
from shared.run.context import RunContext
from shared.run.firing import SEQUENCE_STEP, Firing

# JOB stands for the name of the job.
EXAMPLES = ("JOB --dry-run", "JOB", "JOB --at now --aws --stage prod")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="print what the run would do, and do nothing")
    parser.add_argument(
        "--at",
        metavar="TIME",
        help="run the tick of this time: ISO 8601, or `now` for the current minute (default: a manual run, no tick)",
    )
    parser.add_argument("--target", metavar="T", help="run for this host or shard only (default: all of the job)")
    run_report.add_arguments(parser)
    options.add_arguments(parser)
    options.add_services(parser)


def call(args: argparse.Namespace) -> int:
    job = find_job(args.job)
    require_valid_settings([job])
    if job.queue is not None:
        raise CommandError(
            Exit.WRONG_USE,
            f"{job.name} is driven by its queue {job.queue!r}, not by a schedule; "
            f"`{options.advised(args, 'test', job.name)}` runs it on its sample messages",
        )
    now = Clock().now()
    at = parse_minute(args.at, now) if args.at else None
    with options.open_cloud(args) as cloud, job_settings.load(job, cloud) as job:
        target = find_target(job, args.target, cloud)
        if args.dry_run:
            return _dry_run(job, manual_firing(job, at or now, target), cloud, args)
        firing = manual_firing(job, now, target) if at is None else tick_firing(job, at, target, cloud)
        return run_report.print_report(run_watched(job, firing, cloud, log_lines.writer(args)), args.json, args.strict)


def manual_firing(job: Job, at: datetime, target: str) -> Firing:
    """A manual run: it claims no tick and is not retried."""
    return Firing(job.name, at, target=target, manual=True, retried=False, by=INLINE, correlation_id=uuid.uuid4().hex)


def tick_firing(job: Job, at: datetime, target: str, cloud: Cloud) -> Firing:
    """The firing of a tick.

    Its next attempt if earlier ones failed and no run holds the claim.
    """
    item = lost_runs.claim_item(cloud, manifest.of([job])[job.name], target)
    firing = Firing(job.name, at, target=target, retried=False, correlation_id=uuid.uuid4().hex)
    last = str(item.get("last_attempt", ""))
    sequence = int(last.split("#")[2]) if last.startswith(firing.position) and "holder" not in item else 0
    redrive, attempts = divmod(sequence, SEQUENCE_STEP)
    return replace(firing, attempt=attempts + 1, redrive=redrive)


def _dry_run(job: Job, firing: Firing, cloud: Cloud, args: argparse.Namespace) -> int:
    now = cloud.clock.now()
    run = RunContext(job, firing, readonly(cloud), run_id(now), now, Log(log_lines.writer(args), cloud.clock), dry=True)
    if job.applicable:
        return dry_run.call(job, run, cloud, args)
    try:
        lines = job.plan(run)
    except NotImplementedError as error:
        raise CommandError(Exit.FAILED, f"{job.name} has no dry run yet: {str(error) or 'define plan(run)'}") from None
    if args.json:
        output.document({"job": job.name, "tick": firing.position, "target": firing.target, "dry": True, "plan": lines})
    else:
        print("\n".join(lines or ["nothing to do"]))
    return Exit.DONE
