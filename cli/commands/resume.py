"""Resume a paused job, or one target or tenant of it."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from cli import output, pausing
from cli.exit_codes import Exit
from shared.admin import pause

EXAMPLES = ("resume pricing", "resume pricing --target shop.example --reason 'maintenance is over'")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reason", metavar="WHY", default="no reason given", help="why, for the audit log (default: %(default)s)"
    )
    pausing.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    # A target that was paused may have left the settings since.
    resumed = pausing.change(args, pause.resume, check_target=False)
    if args.json:
        output.document([asdict(each) for each in resumed] if args.job is None else asdict(resumed[0]))
        return Exit.DONE
    for was in resumed:
        hold = was.budget_hold
        now = f"is still held by its {hold}; repeat this to let it spend as much again" if hold else "is resumed"
        print(f"{was.subject} {now}; it was paused{was.by}")
    return Exit.DONE
