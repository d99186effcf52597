"""Reset the position of a job that is ahead of the clock."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from cli import job_settings, operator_identity, options, output
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_job, find_target
from shared.admin.reset_position import ResetRefused, reset_position

if TYPE_CHECKING:
    from cli.shapes.pauses import ResetPosition

EXAMPLES = ("reset pricing", "reset sharded --target 1 --reason 'clock of host-7 was a year ahead'")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", help="name of the job")
    parser.add_argument("--target", metavar="T", help="shard with a position of its own (default: the whole job)")
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
    target = find_target(job, args.target)
    with options.open_cloud(args) as cloud, job_settings.load(job, cloud):
        try:
            was = reset_position(cloud, job, target, args.who or operator_identity.local_login(), args.reason)
        except ResetRefused as error:
            raise CommandError(Exit.REFUSED, error.args[0]) from None
    if args.json:
        document: ResetPosition = {"job": job.name, "target": target, "was": was}
        output.document(document)
    else:
        print(f"{job.name} no longer counts the tick {was[:17]} as done; its next tick runs as usual")
    return Exit.DONE
