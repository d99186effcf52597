"""Options and checks that the commands `pause` and `resume` share."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from cli import job_settings, operator_identity, options
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_job, find_target
from shared.admin.pause import PauseRefused
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.run import pauses
from shared.run.pauses import Pause

# pause() or resume() of shared.admin.pause: cloud, job, part, operator, reason.
Change = Callable[[Cloud, Job, str, str, str], Pause]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", help="name of the job")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--target", metavar="T", help="only this host or shard (default: the whole job)")
    part.add_argument("--tenant", metavar="ORG", help="only the work for this organization (default: the whole job)")
    parser.add_argument(
        "--who", metavar="NAME", help="operator recorded with the pause and in the audit log (default: login@host)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options.add_arguments(parser)


def change(args: argparse.Namespace, perform: Change) -> Pause:
    """Pause or resume. Raises CommandError with REFUSED or WRONG_USE."""
    job = find_job(args.job)
    if not args.reason.strip():
        raise CommandError(Exit.WRONG_USE, "--reason is empty; it is shown to everyone who finds the job paused")
    if args.tenant is not None and not args.tenant.strip():
        raise CommandError(Exit.WRONG_USE, "--tenant is empty; it takes the id of an organization")
    with options.open_cloud(args) as cloud, job_settings.load(job, cloud):
        if args.target is not None:
            find_target(job, args.target)
        part = pauses.part(args.target, args.tenant)
        try:
            return perform(cloud, job, part, args.who or operator_identity.local_login(), args.reason)
        except PauseRefused as error:
            raise CommandError(Exit.REFUSED, error.args[0]) from None


def part_options(args: argparse.Namespace) -> list[str]:
    """The options that select the same part in another command."""
    if args.target:
        return ["--target", args.target]
    return ["--tenant", args.tenant] if args.tenant else []
