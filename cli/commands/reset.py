"""Reset the position or watermark of a job, ahead of the clock."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from cli import job_settings, operator_identity, options, output
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_job, find_target
from cli.period import parse_minute
from shared.admin import audit, reset_watermark
from shared.admin.reset_position import ResetRefused, planned_reset, reset_position
from shared.archetypes.rollup import Rollup

if TYPE_CHECKING:
    from cli.shapes.pauses import ResetPosition, ResetWatermark
    from shared.aws.cloud import Cloud
    from shared.job.definition import Job

EXAMPLES = (
    "reset pricing --dry-run",
    "reset sharded --target 1 --reason 'clock of host-7 was a year ahead'",
    "reset bandwidth-rollup --watermark 2026-11-21T04:00Z --dry-run",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", help="name of the job")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--target", metavar="T", help="shard with a position of its own (default: the whole job)")
    part.add_argument(
        "--watermark",
        metavar="TIME",
        help="of a rollup: set its watermark back to this time, ISO 8601 or 04:00 (UTC) (default: reset its position)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be reset, and change nothing")
    parser.add_argument("--who", metavar="NAME", help="operator, for the audit log (default: your login)")
    parser.add_argument(
        "--reason", metavar="WHY", default="no reason given", help="why, for the audit log (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    job = find_job(args.job)
    if args.target is not None and not job.lease_per_target:
        raise CommandError(Exit.WRONG_USE, f"{job.name} has one position for all of its targets; leave --target out")
    if args.watermark is not None and not isinstance(job, Rollup):
        raise CommandError(Exit.WRONG_USE, f"{job.name} is no rollup and has no watermark; leave --watermark out")
    target = find_target(job, args.target)
    with options.open_cloud(args, reading=args.dry_run) as cloud, job_settings.load(job, cloud):
        try:
            if isinstance(job, Rollup) and args.watermark is not None:
                return _watermark(job, cloud, args)
            return _tick(job, target, cloud, args)
        except ResetRefused as error:
            raise CommandError(Exit.REFUSED, error.args[0]) from None
        except audit.ReasonMissing as error:
            raise CommandError(Exit.WRONG_USE, str(error)) from None


def _tick(job: Job, target: str, cloud: Cloud, args: argparse.Namespace) -> int:
    if args.dry_run:
        was = planned_reset(cloud, job, target)
    else:
        was = reset_position(cloud, job, target, args.who or operator_identity.local_login(), args.reason)
    if args.json:
        document: ResetPosition = {"job": job.name, "target": target, "was": was}
        output.document(document)
    elif args.dry_run:
        print(f"{job.name} counts the tick {was[:17]} as done, ahead of the clock; a reset would forget it")
    else:
        print(f"{job.name} no longer counts the tick {was[:17]} as done; its next tick runs as usual")
    return Exit.DONE


def _watermark(job: Rollup, cloud: Cloud, args: argparse.Namespace) -> int:
    to = parse_minute(args.watermark, cloud.clock.now(), "--watermark")
    if args.dry_run:
        found = reset_watermark.preview(cloud, job, to)
    else:
        who = args.who or operator_identity.local_login()
        found = reset_watermark.reset(cloud, job, to, who, args.reason)
    if args.json:
        document: ResetWatermark = {"job": job.name, "was": found.was.furthest, "to": found.to, "rows": found.rows}
        output.document(document)
        return Exit.DONE
    rows = f"{found.rows:,}{' or more' if found.rows == reset_watermark.MOST_COUNTED else ''} rows"
    verb = "would be" if args.dry_run else "is"
    print(f"the watermark of {job.name} {verb} set from {found.was.furthest} to {found.to}")
    print(f"its next runs add the {rows} recorded since; a row that was added before counts twice:")
    print("rebuild the days of the runs under the wrong clock, as docs/howto/rollup.md describes")
    return Exit.DONE
