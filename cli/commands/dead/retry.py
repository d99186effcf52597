"""`dead retry`: send one dead letter again, or a group."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import TYPE_CHECKING

from cli import operator_identity, options, output
from cli.exit_codes import CommandError, Exit
from cli.period import parse_duration
from shared import clock
from shared.admin import canary, redrive
from shared.admin.canary import CanaryReport
from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.dead_letters.letter import DEAD, RESOLVED, RETRYING, DeadLetter

if TYPE_CHECKING:
    from cli.shapes.dead_letters import RedrivePreview, RedriveResult

SUMMARY = "send one dead letter again, or a group as a canary: first 1, then 10, then all"
EXAMPLES = ("dead retry 3f2a91c4", "dead retry --group 5d41402abc4b --reason 'the host is back'")
SAMPLES = 5


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "id", nargs="?", help="id of one dead letter, or a unique prefix of it (default: those of --group)"
    )
    parser.add_argument(
        "--group",
        metavar="FINGERPRINT",
        help="all dead letters with this fingerprint, in waves (default: the one named)",
    )
    parser.add_argument(
        "--anyway",
        action="store_true",
        help="with --group: skip those that are being retried already (default: refuse)",
    )
    parser.add_argument(
        "--timeout",
        metavar="DURATION",
        help="how long to wait for the result of each: 90s, 10m (default: the job's retries and timeout)",
    )
    parser.add_argument("--no-wait", action="store_true", help="for one dead letter: send it and do not wait")
    parser.add_argument("--dry-run", action="store_true", help="print what would be sent, and send nothing")
    operator_identity.add_arguments(parser, "(default: none, more than one at once require one)")


def call(args: argparse.Namespace, cloud: Cloud) -> int:
    if bool(args.id) == bool(args.group):
        listing = options.advised(args, "dead", "list")
        raise CommandError(Exit.WRONG_USE, f"name one dead letter, or a fingerprint by --group; `{listing}` shows both")
    timeout = parse_duration("--timeout", args.timeout) if args.timeout is not None else None
    return _group(args, cloud, timeout) if args.group else _one(args, cloud, timeout)


def _one(args: argparse.Namespace, cloud: Cloud, timeout: timedelta | None) -> int:
    if args.dry_run:
        return _print_preview([redrive.prepare(cloud, store.find(cloud, args.id)).dead_letter], args)
    who = operator_identity.operator(args, cloud)
    letter, until = redrive.redrive_one(cloud, args.id, who, args.reason or "")
    show = options.advised(args, "dead", "show", letter.id)
    if args.no_wait:
        return _print_result(letter, "sent", f"{letter.id} was sent again; its result: {show}", args)
    output.notice(f"{letter.id} of {letter.job} was sent again; waiting for its result")
    after = redrive.wait_for_result(cloud, letter, cloud.clock.now() + timeout if timeout else clock.parse(until))
    if after is None:
        _print_result(letter, "gone", f"{letter.id} was purged in the meantime", args)
        return Exit.FAILED
    if after.state == RESOLVED:
        line = f"{letter.id} is resolved, by run {after.row['resolvedBy']}: {after.row['outcome']}"
        return _print_result(after, RESOLVED, line, args)
    if after.state == RETRYING:
        _print_result(after, RETRYING, f"{letter.id} has no result yet; look again: {show}", args)
        return Exit.FAILED
    if after.failed_redrives > letter.failed_redrives:
        _print_result(after, DEAD, f"{letter.id} failed again: {after.error}", args)
        return Exit.FAILED
    return _print_result(after, "kept out", f"{letter.id} {after.row.get('note', 'was not run')}", args)


def _group(args: argparse.Namespace, cloud: Cloud, timeout: timedelta | None) -> int:
    if args.dry_run:
        return _print_preview(canary.select(cloud, args.group, args.anyway), args)
    who = operator_identity.operator(args, cloud)
    report = canary.redrive_group(cloud, args.group, who, args.reason or "", timeout, output.notice, args.anyway)
    if args.json:
        output.document(report.data())
    else:
        print(f"{report.sent} of {report.of} sent: {_counts(report)}")
        for line in filter(None, (report.stopped and f"stopped: {report.stopped}", report.why_unfit)):
            print(line)
    return Exit.DONE if report.ok else Exit.FAILED


def _counts(report: CanaryReport) -> str:
    counts = {"resolved": report.resolved, "failed in the same way": report.repeated, "failed": report.died}
    counts |= {"held back by a gate": report.kept_out, "without a result": report.unknown}
    counts["that cannot be sent"] = report.unfit
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _print_preview(letters: list[DeadLetter], args: argparse.Namespace) -> int:
    if args.json:
        preview: RedrivePreview = {"dry": True, "letters": len(letters), "ids": [letter.id for letter in letters]}
        output.document(preview)
        return Exit.DONE
    print(f"would send {len(letters)} again, the oldest first")
    for letter in letters[:SAMPLES]:
        print(f"  {letter.id} of {letter.job}, failed at {letter.failed_at}")
    return Exit.DONE


def _print_result(letter: DeadLetter, end: str, line: str, args: argparse.Namespace) -> int:
    if args.json:
        result: RedriveResult = {"id": letter.id, "job": letter.job, "end": end, "note": line}
        output.document(result)
    else:
        print(line)
    return Exit.DONE
