"""`dead purge`: what a filter means is thrown away; a filter that means none, or all, is refused."""

from __future__ import annotations

import argparse
from datetime import datetime

from cli import options, output
from cli.exit_codes import Exit, Stop
from shared import redaction
from shared.admin import purge_dead_letters
from shared.admin.purge_dead_letters import PurgePreview
from shared.aws.cloud import Cloud
from shared.dead_letters.letter import DeadLetterRefused
from shared.dead_letters.store import DeadLetterFilter
from shared.job import duration


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", help="of this job, also one that is gone")
    parser.add_argument("--group", metavar="FINGERPRINT", default="", help="of this fingerprint")
    parser.add_argument("--older-than", metavar="SPAN", help="given up longer ago than 12h, 7d ...")
    parser.add_argument("--failed", metavar="TEXT", default="", help="whose reason begins so, such as `rejected`")
    parser.add_argument("--all", action="store_true", help="also where that is every letter there is; needs --yes")
    parser.add_argument("--yes", action="store_true", help="that you mean --all")
    parser.add_argument("--dry-run", action="store_true", help="say what would go, and delete nothing")
    options.answering(parser)


def call(args: argparse.Namespace, cloud: Cloud) -> int:
    from cli.commands.dead import named

    which = DeadLetterFilter(
        job=named(args.job, cloud) if args.job else "",
        fingerprint=args.group,
        before=_before(args.older_than, cloud.clock.now()) if args.older_than else None,
        reason=args.failed,
    )
    if args.yes and not args.all:
        raise Stop(Exit.WRONG_USE, "--yes says that you mean --all; say what you mean, and leave --yes out")
    if args.dry_run:
        return _would(purge_dead_letters.preview(cloud, which, args.all), args)
    if args.all and not args.yes:
        count = purge_dead_letters.preview(cloud, which, everything=True).count
        raise DeadLetterRefused(f"--all means every dead letter there is, {count} in all; if you do, say --yes as well")
    done = purge_dead_letters.purge(cloud, which, options.who(args, cloud), args.reason or "", args.all, output.say)
    if args.json:
        output.document(done.data())
    else:
        print(f"thrown away: {done.purged}")
        if done.moved:
            print(f"stay, as they have moved on since they were looked at: {done.moved}")
    return Exit.DONE


def _before(text: str, now: datetime) -> datetime:
    try:
        return now - duration.parse(text)
    except (ValueError, OverflowError) as error:
        raise Stop(Exit.WRONG_USE, f"--older-than {text!r}: {error}") from None


def _would(meant: PurgePreview, args: argparse.Namespace) -> int:
    if args.json:
        output.document({"dry": True, **redaction.data(meant.data())})
        return Exit.DONE
    print(f"would throw away {meant.count}; {meant.others} others stay")
    rows = [[group.fingerprint, group.count, group.job, redaction.text(group.error)] for group in meant.groups]
    output.table(["fingerprint", "letters", "job", "error"], rows)
    return Exit.DONE
