"""`dead audit`: the audit log of all operators' actions."""

from __future__ import annotations

import argparse
from typing import Any

from cli import output
from cli.exit_codes import CommandError, Exit
from shared.admin import audit
from shared.aws.cloud import Cloud

SUMMARY = "show what operators did, on dead letters and everything else, with operator and reason"
EXAMPLES = ("dead audit", "dead audit --months 12 --json --aws --stage prod")
MONTHS = 3


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--months", type=int, default=MONTHS, help="how many months back (default: %(default)s)")


def call(args: argparse.Namespace, cloud: Cloud) -> int:
    if args.months < 1:
        raise CommandError(Exit.WRONG_USE, f"--months {args.months} shows nothing; it must be at least 1")
    entries = [*audit.entries(cloud, args.months)]
    if args.json:
        output.document(entries)
    elif entries:
        output.table(["at (UTC)", "what", "count", "why", "which", "who", "end"], map(_row, entries), ["end"])
    else:
        output.notice(f"operators did nothing in the last {args.months} months")
    return Exit.DONE


def _row(entry: dict[str, Any]) -> list[Any]:
    which = ", ".join(f"{name} {value}" for name, value in entry["scope"].items() if value)
    # The last part of an ARN is the name.
    who = entry["who"].rpartition("/")[2]
    return [
        output.to_minute(entry["at"]),
        entry["what"],
        entry.get("count"),
        entry["reason"],
        which,
        who,
        entry.get("end", "not ended"),
    ]
