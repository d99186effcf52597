"""Dead letters: what was given up, by the failure that it shares; sent again, thrown away; and the operators' audit."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from cli import options, output
from cli.commands.dead import purge, retry
from cli.commands.run import found
from cli.exit_codes import Exit, Stop
from shared import redaction
from shared.admin import audit
from shared.admin.audit import ReasonMissing
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET
from shared.dead_letters import store
from shared.dead_letters.letter import RESOLVED, RETRYING, UNKNOWN_JOB, DeadLetter, DeadLetterRefused, UnknownDeadLetter
from shared.dead_letters.store import DeadLetterFilter, DeadLetterGroup
from shared.job import registry

MONTHS = 3


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="list|show|retry|purge|audit", required=True)

    listing = verbs.add_parser("list", help="by fingerprint, the most first")
    listing.add_argument("job", nargs="?", help="of this job alone")
    listing.add_argument("--group", metavar="FINGERPRINT", default="", help="each letter of this group, newest first")
    listing.add_argument("--all", action="store_true", help="also those that are resolved")
    showing = verbs.add_parser("show", help="one letter with its content, redacted")
    showing.add_argument("id", nargs="?", help="how it begins is enough")
    retrying = verbs.add_parser("retry", help="send one again, or a group as a canary: 1, then 10, then all")
    retry.arguments(retrying)
    purging = verbs.add_parser("purge", help="throw away what a filter means")
    purge.arguments(purging)
    auditing = verbs.add_parser("audit", help="what was done by hand, to letters and to all else; by whom, and why")
    auditing.add_argument("--months", type=int, default=MONTHS, help=f"how far back, {MONTHS} where it isn't said")
    for verb in (listing, showing, retrying, purging, auditing):
        verb.add_argument("--json", action="store_true", help="one JSON document")
        options.arguments(verb)


def call(args: argparse.Namespace) -> int:
    verbs: dict[str, Callable[[argparse.Namespace, Cloud], int]] = {
        "list": _list,
        "show": _show,
        "retry": retry.call,
        "purge": purge.call,
        "audit": _audit,
    }
    if args.verb == "show" and not args.id:
        raise Stop(Exit.WRONG_USE, f"which one? {store.list_hint(options.stage(args))}")
    with options.opened(args) as cloud:
        try:
            return verbs[args.verb](args, cloud)
        except (UnknownDeadLetter, ReasonMissing) as error:
            raise Stop(Exit.WRONG_USE, error.args[0]) from None
        except DeadLetterRefused as error:
            raise Stop(Exit.REFUSED, error.args[0]) from None


def named(job: str, cloud: Cloud) -> str:
    """A job that there is, or was when its letters came. Raises UnknownJob."""
    return job if job in (*registry.jobs(), UNKNOWN_JOB, *store.jobs_with_dead_letters(cloud)) else found(job).name


def _list(args: argparse.Namespace, cloud: Cloud) -> int:
    which = DeadLetterFilter(job=named(args.job, cloud) if args.job else "", fingerprint=args.group)
    resolved = 0

    def wanted(letter: DeadLetter) -> bool:
        nonlocal resolved
        resolved += letter.state == RESOLVED
        return args.all or letter.state != RESOLVED

    letters = (letter for letter in store.dead_letters(cloud, which) if wanted(letter))
    if args.group:
        _letters(sorted(letters, key=lambda letter: letter.failed_at, reverse=True), args)
    else:
        _groups(store.group_by_fingerprint(letters), args)
    if resolved and not args.all:
        output.say(f"and {resolved} that are resolved; --all shows them too")
    return Exit.DONE


def _groups(groups: list[DeadLetterGroup], args: argparse.Namespace) -> None:
    if args.json:
        output.document([redaction.data(group.data()) for group in groups])
    elif groups:
        columns = ["fingerprint", "letters", "job", "first (UTC)", "last (UTC)", "tries", "newest", "error"]
        output.table(columns, map(_group, groups), spare=["first (UTC)", "tries"])
    else:
        output.say("no dead letters")


def _group(group: DeadLetterGroup) -> list[Any]:
    away = group.states[RETRYING]
    error = redaction.text(group.error)
    return [
        group.fingerprint,
        group.count,
        group.job,
        _short(group.first),
        _short(group.last),
        group.attempts,
        group.id[:8],
        f"{error} ({away} on their way again)" if away else error,
    ]


def _letters(letters: list[DeadLetter], args: argparse.Namespace) -> None:
    if not letters:
        listing = store.list_hint(options.stage(args))
        raise UnknownDeadLetter(f"there is no dead letter of fingerprint {args.group!r:.60}; {listing}")
    if args.json:
        output.document([redaction.data(letter.as_dict()) for letter in letters])
        return
    columns = ["id", "gave up (UTC)", "job", "target", "tries", "again", "state", "reason", "error"]
    output.table(columns, map(_letter, letters), spare=["reason", "job", "tries"])


def _letter(letter: DeadLetter) -> list[Any]:
    return [
        letter.id[:8],
        _short(letter.failed_at),
        letter.job,
        "" if letter.target == NO_TARGET else letter.target,
        letter.attempts,
        letter.failed_redrives or None,
        letter.state,
        letter.reason,
        redaction.text(letter.error),
    ]


def _show(args: argparse.Namespace, cloud: Cloud) -> int:
    letter = store.find(cloud, args.id)
    shown = redaction.data(letter.as_dict()) | {"payload": store.payload_url(cloud, letter)}
    missing = ""
    try:
        content: Any = _redacted(store.read_payload(cloud, letter))
    except DeadLetterRefused as error:
        content, missing = None, str(error)
    if args.json:
        output.document({**shown, "content": content} | ({"error": missing} if missing else {}))
    else:
        for name, value in shown.items():
            print(f"{name + ':':<15}{value}")
        if not missing:
            print("content, redacted; as it came it lies in payload:")
            print(content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False))
    if missing:
        output.say(missing)
    return Exit.REFUSED if missing else Exit.DONE


def _redacted(content: str) -> Any:
    try:
        return redaction.data(json.loads(content))
    except ValueError:
        return redaction.text(content)


def _audit(args: argparse.Namespace, cloud: Cloud) -> int:
    if args.months < 1:
        raise Stop(Exit.WRONG_USE, f"--months {args.months} shows nothing; say at least 1")
    entries = list(audit.entries(cloud, args.months))
    if args.json:
        output.document(entries)
    elif entries:
        output.table(["at (UTC)", "what", "count", "why", "which", "who", "end"], map(_entry, entries), ["end"])
    else:
        output.say(f"nothing was done by hand in {args.months} months")
    return Exit.DONE


def _entry(entry: dict[str, Any]) -> list[Any]:
    which = ", ".join(f"{name} {value}" for name, value in entry["scope"].items() if value)
    # Of an ARN the last part says who.
    who = entry["who"].rpartition("/")[2]
    return [
        entry["at"][:16].replace("T", " "),
        entry["what"],
        entry.get("count"),
        entry["reason"],
        which,
        who,
        entry.get("end", "not ended"),
    ]


def _short(instant: str) -> str:
    """`11-21 22:05`: nothing here is older than its year."""
    return instant[5:16].replace("T", " ")
