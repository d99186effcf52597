"""Options and checks that the commands `pause` and `resume` share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from cli import job_settings, operator_identity, options, output, registered_jobs
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_job, find_target
from cli.period import parse_until
from shared.admin.pause import PauseRefused, has_tenants
from shared.run import pauses
from shared.run.pauses import Pause

# pause() or resume() of shared.admin.pause: cloud, job, part, operator, reason; and `until` of a pause with an end.
Change = Callable[..., Pause]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", help="name of the job (default, with --tenant: all jobs with organizations)")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--target", metavar="T", help="only this host or shard (default: the whole job)")
    part.add_argument("--tenant", metavar="ORG", help="only the work for this organization (default: the whole job)")
    parser.add_argument(
        "--who", metavar="NAME", help="operator recorded with the pause and in the audit log (default: login@host)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options.add_arguments(parser)


def change(args: argparse.Namespace, perform: Change, *, check_target: bool = True) -> list[Pause]:
    """Pause or resume a job, or a tenant everywhere.

    check_target: refuse a target or a tenant that the job does not have. Raises CommandError with REFUSED or WRONG_USE.
    """
    if args.job is None and not args.tenant:
        raise CommandError(Exit.WRONG_USE, "name the job, or a tenant that all jobs hold by --tenant")
    jobs = [find_job(args.job)] if args.job else list(filter(has_tenants, registered_jobs.jobs().values()))
    if not args.reason.strip():
        raise CommandError(Exit.WRONG_USE, "--reason is empty; it is shown to everyone who finds the job paused")
    if args.tenant is not None and not args.tenant.strip():
        raise CommandError(Exit.WRONG_USE, "--tenant is empty; it takes the id of an organization")
    part, who = pauses.part(args.target, args.tenant), args.who or operator_identity.local_login()
    changed, refused = list[Pause](), list[str]()
    end: str | None = getattr(args, "until", None)
    with options.open_cloud(args) as cloud:
        if end is not None:
            # The same end for all jobs.
            perform = partial(perform, until=parse_until("--until", end, cloud.clock.now()))
        for job in jobs:
            with job_settings.load(job, cloud):
                if args.tenant and check_target and not has_tenants(job):
                    refused.append(f"{job.name} has no organizations, so nothing would be held; nothing was done")
                    continue
                if check_target:
                    find_target(job, args.target, cloud)
                try:
                    changed.append(perform(cloud, job, part, who, args.reason))
                except PauseRefused as error:
                    refused.append(error.args[0])
    if not changed:
        raise CommandError(Exit.REFUSED, "\n".join(refused))
    for reason in refused:
        output.notice(reason)
    return changed


def part_options(args: argparse.Namespace) -> list[str]:
    """The options that select the same part in another command."""
    if args.target:
        return ["--target", args.target]
    return ["--tenant", args.tenant] if args.tenant else []
