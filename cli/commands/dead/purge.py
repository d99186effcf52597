"""`dead purge`: delete the dead letters that match a filter.

A filter that matches none, or all, is refused.
"""

from __future__ import annotations

import argparse

from cli import operator_identity, output
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_job_with_dead_letters
from cli.period import parse_since
from shared import redaction
from shared.admin import purge_dead_letters
from shared.admin.purge_dead_letters import PurgePreview
from shared.aws.cloud import Cloud
from shared.dead_letters.letter import DeadLetterRefused
from shared.dead_letters.store import DeadLetterFilter

SUMMARY = "delete the dead letters that match a filter"
EXAMPLES = ("dead purge pricing --older-than 7d --dry-run", "dead purge pricing --older-than 7d --reason outdated")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", help="only of this job, which may have been removed (default: all)")
    parser.add_argument("--group", metavar="FINGERPRINT", default="", help="only with this fingerprint (default: all)")
    parser.add_argument(
        "--older-than", metavar="DURATION", help="only if they failed longer ago: 12h, 7d (default: all)"
    )
    parser.add_argument(
        "--failed",
        metavar="TEXT",
        default="",
        help="only if their reason begins with this, as `rejected` (default: all)",
    )
    parser.add_argument("--tenant", metavar="ORG", default="", help="only of this organization (default: all)")
    parser.add_argument("--entity", metavar="ID", default="", help="only about this target or entity (default: all)")
    parser.add_argument("--all", action="store_true", help="allow a filter that matches every dead letter; needs --yes")
    parser.add_argument("--yes", action="store_true", help="confirm --all")
    parser.add_argument("--dry-run", action="store_true", help="print what would be deleted, and delete nothing")
    operator_identity.add_arguments(parser)


def call(args: argparse.Namespace, cloud: Cloud) -> int:
    which = DeadLetterFilter(
        job=find_job_with_dead_letters(args.job, cloud) if args.job else "",
        fingerprint=args.group,
        before=parse_since("--older-than", args.older_than, cloud.clock.now()) if args.older_than else None,
        reason=args.failed,
        tenant=args.tenant,
        entity=args.entity,
    )
    if args.yes and not args.all:
        raise CommandError(Exit.WRONG_USE, "--yes confirms --all; use both, or leave --yes out")
    if args.dry_run:
        return _print_preview(purge_dead_letters.preview(cloud, which, args.all), args)
    if args.all and not args.yes:
        count = purge_dead_letters.preview(cloud, which, everything=True).count
        raise DeadLetterRefused(f"--all deletes every dead letter, {count} in all; confirm it with --yes")
    who = operator_identity.operator(args, cloud)
    result = purge_dead_letters.purge(cloud, which, who, args.reason or "", args.all, output.notice)
    if args.json:
        output.document(result.data())
    else:
        print(f"deleted: {result.purged}")
        if result.moved:
            print(f"not deleted, changed since they were read: {result.moved}")
    return Exit.DONE


def _print_preview(preview: PurgePreview, args: argparse.Namespace) -> int:
    if args.json:
        output.document({"dry": True, **redaction.data(preview.data())})
        return Exit.DONE
    print(f"would delete {preview.count} and keep {preview.others}")
    rows = [[group.fingerprint, group.count, group.job, redaction.text(group.error)] for group in preview.groups]
    output.table(["fingerprint", "letters", "job", "error"], rows)
    return Exit.DONE
