"""`dead retry`: one letter, or a group as a canary."""

from __future__ import annotations

import argparse
from datetime import timedelta

from cli import options, output
from cli.exit_codes import Exit, Stop
from shared import clock
from shared.admin import canary, redrive
from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.dead_letters.letter import DEAD, RESOLVED, RETRYING, DeadLetter
from shared.job import duration

SAMPLES = 5


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", help="one letter; how its id begins is enough")
    parser.add_argument("--group", metavar="FINGERPRINT", help="all letters of this fingerprint, in waves")
    parser.add_argument(
        "--anyway", action="store_true", help="of a group: leave out those that are on their way already"
    )
    parser.add_argument("--timeout", metavar="SPAN", help="how long to wait for what comes of a letter: 90s, 10m")
    parser.add_argument("--no-wait", action="store_true", help="for one letter: send it, and look later")
    parser.add_argument("--dry-run", action="store_true", help="say what would be sent, and send nothing")
    options.answering(parser)


def call(args: argparse.Namespace, cloud: Cloud) -> int:
    if bool(args.id) == bool(args.group):
        listing = options.advised(args, "dead", "list")
        raise Stop(Exit.WRONG_USE, f"say one letter's id, or --group and a fingerprint; `{listing}` has both")
    if args.group:
        return _group(args, cloud)
    return _one(args, cloud)


def patience(args: argparse.Namespace) -> timedelta | None:
    if args.timeout is None:
        return None
    try:
        return duration.parse(args.timeout)
    except ValueError as error:
        raise Stop(Exit.WRONG_USE, f"--timeout {args.timeout!r}: {error}") from None


def _one(args: argparse.Namespace, cloud: Cloud) -> int:
    wait = patience(args)
    if args.dry_run:
        made = redrive.prepare(cloud, store.find(cloud, args.id))
        return _would([made.dead_letter], args)
    letter, until = redrive.redrive_one(cloud, args.id, options.who(args, cloud), args.reason or "")
    look = options.advised(args, "dead", "show", letter.id)
    if args.no_wait:
        return _told(letter, "sent", f"{letter.id} was sent again; what comes of it: {look}", args)
    end = cloud.clock.now() + wait if wait else clock.parse(until)
    output.say(f"{letter.id} of {letter.job} was sent again; waiting for what comes of it")
    after = redrive.wait_for_result(cloud, letter, end)
    if after is None:
        _told(letter, "gone", f"{letter.id} was thrown away meanwhile", args)
        return Exit.FAILED
    if after.state == RESOLVED:
        return _told(
            after, RESOLVED, f"{letter.id} is resolved, by run {after.row['resolvedBy']}: {after.row['outcome']}", args
        )
    if after.state == RETRYING:
        _told(after, RETRYING, f"nothing was heard of {letter.id} in time; look again: {look}", args)
        return Exit.FAILED
    if after.failed_redrives > letter.failed_redrives:
        _told(after, DEAD, f"{letter.id} died again: {after.error}", args)
        return Exit.FAILED
    return _told(after, "kept out", f"{letter.id} {after.row.get('note', 'was not run')}", args)


def _group(args: argparse.Namespace, cloud: Cloud) -> int:
    wait = patience(args)
    if args.dry_run:
        return _would(canary.select(cloud, args.group, args.anyway), args)
    who, reason = options.who(args, cloud), args.reason or ""
    report = canary.redrive_group(cloud, args.group, who, reason, wait, output.say, args.anyway)
    if args.json:
        output.document(report.data())
    else:
        counts = {"resolved": report.resolved, "died of the same again": report.repeated, "died": report.died}
        counts |= {"kept out": report.kept_out, "not heard of": report.unknown, "cannot be sent": report.unfit}
        told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        print(f"{report.sent} of {report.of} sent: {told}")
        for line in filter(None, (report.stopped and f"stopped: {report.stopped}", report.why_unfit)):
            print(line)
    return Exit.DONE if report.ok else Exit.FAILED


def _would(letters: list[DeadLetter], args: argparse.Namespace) -> int:
    if args.json:
        output.document({"dry": True, "letters": len(letters), "ids": [letter.id for letter in letters]})
        return Exit.DONE
    print(f"would send {len(letters)} again, the eldest first")
    for letter in letters[:SAMPLES]:
        print(f"  {letter.id} of {letter.job}, given up at {letter.failed_at}")
    return Exit.DONE


def _told(letter: DeadLetter, end: str, line: str, args: argparse.Namespace) -> int:
    if args.json:
        output.document({"id": letter.id, "job": letter.job, "end": end, "note": line})
    else:
        print(line)
    return Exit.DONE
