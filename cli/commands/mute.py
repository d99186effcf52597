"""Mute the alerts about a job until a time.

Without a job, list the mutes. Muted alerts are stored, and sent when the mute ends. Alarms of CloudWatch are not muted.
"""

from __future__ import annotations

import argparse
import difflib
from dataclasses import asdict

from cli import operator_identity, options, output
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_job, find_target
from cli.period import parse_until
from shared.admin import audit, mute
from shared.admin.mute import MuteRefused
from shared.aws.cloud import Cloud
from shared.observability import mutes
from shared.observability.alert_kinds import KINDS
from shared.observability.mutes import ALL_KINDS, Mute

EXAMPLES = (
    "mute",
    "mute pricing --until 6h --reason 'shop.example is being moved'",
    "mute pricing --target shop.example --kind JOB_FAILING --until 18:00 --reason 'known' --aws --stage prod",
    "mute pricing --end --reason 'the move is over'",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", help="name of the job (default: list the mutes)")
    parser.add_argument("--target", metavar="T", help="only alerts about this host or shard (default: the whole job)")
    parser.add_argument(
        "--kind", metavar="KIND", default=ALL_KINDS, help="only alerts of this kind, as JOB_FAILING (default: all)"
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--until",
        metavar="TIME",
        help="end of the mute: 2h, 3d, 18:00 (UTC), or ISO 8601; at most 7d (default: none, one is required)",
    )
    action.add_argument("--end", action="store_true", help="end the mute now, and send its alerts")
    parser.add_argument("--json", action="store_true", help="print one JSON object, or an array of the mutes")
    operator_identity.add_arguments(parser)
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    if args.job is None:
        return _list(args)
    job = find_job(args.job)
    if args.kind not in (ALL_KINDS, *KINDS):
        raise CommandError(Exit.WRONG_USE, f"--kind {args.kind!r:.60} is no kind of alert; {_nearest(args.kind)}")
    if not (args.until or args.end):
        raise CommandError(Exit.WRONG_USE, "name the end of the mute by --until, as --until 6h, or end it by --end")
    with options.open_cloud(args) as cloud:
        target = find_target(job, args.target, cloud)
        about = job.name if args.target is None else f"{job.name} {target}"
        operator, reason = operator_identity.operator(args, cloud), args.reason or ""
        try:
            if args.end:
                changed = mute.unmute(cloud, about, args.kind, operator, reason)
            else:
                until = parse_until("--until", args.until, cloud.clock.now())
                changed = mute.mute(cloud, job, about, args.kind, operator, reason, until)
        except MuteRefused as error:
            raise CommandError(Exit.REFUSED, str(error)) from None
        except audit.ReasonMissing as error:
            raise CommandError(Exit.WRONG_USE, str(error)) from None
    if args.json:
        output.document(asdict(changed))
    elif args.end:
        print(f"alerts about {about} are sent again, those that were muted within five minutes")
    else:
        print(mute.sentence(changed))
    return Exit.DONE


def _nearest(kind: str) -> str:
    near = difflib.get_close_matches(kind.upper(), KINDS, n=1)
    return f"did you mean {near[0]}?" if near else f"the kinds are {', '.join(KINDS)}"


def _list(args: argparse.Namespace) -> int:
    if args.until or args.end or args.target or args.kind != ALL_KINDS:
        raise CommandError(Exit.WRONG_USE, "name the job whose alerts are muted")
    with options.open_cloud(args, reading=True) as cloud:
        found = _sorted(cloud)
    if args.json:
        output.document([asdict(each) for each in found])
    elif found:
        output.table(["about", "alerts", "since (UTC)", "until (UTC)", "by", "reason"], map(_row, found))
    else:
        output.notice("no alert is muted")
    return Exit.DONE


def _sorted(cloud: Cloud) -> list[Mute]:
    return sorted(mutes.read(cloud), key=lambda each: each.until)


def _row(each: Mute) -> list[str]:
    kind = "all" if each.kind == ALL_KINDS else each.kind
    return [each.about, kind, output.to_second(each.since), output.to_second(each.until), each.who, each.why]
