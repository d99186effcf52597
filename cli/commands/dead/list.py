"""`dead list`: groups of dead letters by fingerprint, or one group."""

from __future__ import annotations

import argparse
from typing import Any

from cli import options, output
from cli.exit_codes import Exit
from cli.job_arguments import find_job_with_dead_letters
from cli.period import parse_since
from shared import redaction
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET
from shared.dead_letters import store
from shared.dead_letters.letter import RESOLVED, RETRYING, DeadLetter, UnknownDeadLetter
from shared.dead_letters.store import DeadLetterFilter, DeadLetterGroup

SUMMARY = "list dead letters by the fingerprint of their failure, the largest group first"
EXAMPLES = (
    "dead list pricing",
    "dead list --tenant org_7 --since 2d --aws --stage prod",
    "dead list --group 5d41402abc4b --json",
)
ID_LENGTH = 8


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", help="only of this job (default: all)")
    parser.add_argument(
        "--group",
        metavar="FINGERPRINT",
        default="",
        help="list the dead letters of this group, newest first (default: list groups)",
    )
    parser.add_argument("--tenant", metavar="ORG", default="", help="only of this organization (default: all)")
    parser.add_argument("--entity", metavar="ID", default="", help="only about this target or entity (default: all)")
    parser.add_argument("--since", metavar="DURATION", help="only if they failed since: 30m, 2h, 3d (default: all)")
    parser.add_argument("--all", action="store_true", help="include resolved ones (default: only unresolved)")


def call(args: argparse.Namespace, cloud: Cloud) -> int:
    job = find_job_with_dead_letters(args.job, cloud) if args.job else ""
    resolved = 0

    def is_shown(letter: DeadLetter) -> bool:
        nonlocal resolved
        resolved += letter.state == RESOLVED
        return args.all or letter.state != RESOLVED

    wanted = DeadLetterFilter(
        job=job,
        fingerprint=args.group,
        tenant=args.tenant,
        entity=args.entity,
        since=parse_since("--since", args.since, cloud.clock.now()) if args.since is not None else None,
    )
    letters = filter(is_shown, store.dead_letters(cloud, wanted))
    if args.group:
        _print_letters(sorted(letters, key=lambda letter: letter.failed_at, reverse=True), args)
    else:
        _print_groups(store.group_by_fingerprint(letters), args)
    if resolved and not args.all:
        output.notice(f"and {resolved} that are resolved; --all shows them too")
    return Exit.DONE


def _print_groups(groups: list[DeadLetterGroup], args: argparse.Namespace) -> None:
    if args.json:
        output.document([redaction.data(group.data()) for group in groups])
    elif groups:
        columns = ["fingerprint", "letters", "job", "tenants", "first (UTC)", "last (UTC)", "tries", "newest", "error"]
        output.table(columns, map(_group_row, groups), spare=["first (UTC)", "tries"], optional=["tenants"])
    else:
        output.notice("no dead letters")


def _group_row(group: DeadLetterGroup) -> list[Any]:
    retrying = group.states[RETRYING]
    error = redaction.text(group.error)
    return [
        group.fingerprint,
        group.count,
        group.job,
        _tenants(group),
        _short(group.first),
        _short(group.last),
        group.attempts,
        group.id[:ID_LENGTH],
        f"{error} ({retrying} being retried)" if retrying else error,
    ]


def _tenants(group: DeadLetterGroup) -> str:
    """`org_7`, `org_1 and 2 more`, or empty."""
    first, *others = sorted(group.tenants) or [""]
    return f"{first} and {len(others)} more" if others else first


def _print_letters(letters: list[DeadLetter], args: argparse.Namespace) -> None:
    if not letters:
        hint = store.list_hint(options.stage(args))
        raise UnknownDeadLetter(f"there is no dead letter with the fingerprint {args.group!r:.60}; {hint}")
    if args.json:
        output.document([redaction.data(letter.as_dict()) for letter in letters])
        return
    columns = ["id", "failed (UTC)", "job", "tenant", "target", "tries", "redrives", "state", "reason", "error"]
    output.table(columns, map(_letter_row, letters), spare=["reason", "job", "tries"], optional=["tenant"])


def _letter_row(letter: DeadLetter) -> list[Any]:
    return [
        letter.id[:ID_LENGTH],
        _short(letter.failed_at),
        letter.job,
        letter.tenant,
        "" if letter.target == NO_TARGET else letter.target,
        letter.attempts,
        letter.failed_redrives or None,
        letter.state,
        letter.reason,
        redaction.text(letter.error),
    ]


def _short(timestamp: str) -> str:
    """`11-21 22:05`: without the year, since dead letters are younger than one."""
    return timestamp[5:16].replace("T", " ")
