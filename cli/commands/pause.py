"""Hold a job back, or one target or tenant of it, until somebody resumes it. It is data: no deploy loses it."""

from __future__ import annotations

import argparse
import getpass
import socket
from collections.abc import Callable
from dataclasses import asdict

from cli import job_settings, options, output
from cli.commands.run import found, targeted
from cli.exit_codes import Exit, Stop
from shared.admin import pause
from shared.admin.pause import PauseRefused
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.run import pauses
from shared.run.pauses import Pause

Deed = Callable[[Cloud, Job, str, str, str], Pause]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", metavar="WHY", required=True, help="shown to whoever wonders")
    named(parser)


def named(parser: argparse.ArgumentParser) -> None:
    """What is meant, by whom."""
    parser.add_argument("job")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--target", metavar="T", help="this host or shard alone")
    part.add_argument("--tenant", metavar="ORG", help="what is done for this organization alone")
    parser.add_argument("--who", help="whose decision it is; login@host where it isn't said")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options.arguments(parser)


def call(args: argparse.Namespace) -> int:
    made = done(args, pause.pause)
    if args.json:
        output.document(asdict(made))
    else:
        print(f"{made.told}; what is at work now goes on to its end")
        print(f"  {options.advised(args, 'resume', args.job, *_part(args))}")
    return Exit.DONE


def done(args: argparse.Namespace, deed: Deed) -> Pause:
    """Raises Stop: REFUSED where the pauses are not as they must be, WRONG_USE where it is not said what is meant."""
    job = found(args.job)
    if not args.reason.strip():
        raise Stop(Exit.WRONG_USE, "--reason is empty; say why, whoever finds it paused will ask")
    if args.tenant is not None and not args.tenant.strip():
        raise Stop(Exit.WRONG_USE, "--tenant is empty; say the organization's id")
    with options.opened(args) as cloud, job_settings.of(job, cloud):
        if args.target is not None:
            targeted(job, args.target)
        of = pauses.part(args.target, args.tenant)
        try:
            return deed(cloud, job, of, args.who or signed(), args.reason)
        except PauseRefused as error:
            raise Stop(Exit.REFUSED, error.args[0]) from None


def signed() -> str:
    """`ada@laptop`. Without the domain: that would make it an e-mail address, which no sink shows."""
    try:
        login = getpass.getuser()
    except (KeyError, OSError):
        # A container's user need not have a name.
        login = "unknown"
    return f"{login}@{socket.gethostname().partition('.')[0]}"


def _part(args: argparse.Namespace) -> list[str]:
    if args.target:
        return ["--target", args.target]
    return ["--tenant", args.tenant] if args.tenant else []
