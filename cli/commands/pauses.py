"""List the pauses of all jobs, targets and organizations."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from cli import declared_jobs, options, output
from cli.exit_codes import Exit
from shared.admin import pause
from shared.run.pauses import Pause

EXAMPLES = ("pauses", "pauses --tenant org_1 --aws --stage prod")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", metavar="ORG", help="only pauses of this organization (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    entries = declared_jobs.entries()
    with options.open_cloud(args, reading=True) as cloud:
        paused = pause.of_jobs(cloud, entries)
    found = [each for each in paused if args.tenant is None or each.part == f"tenant#{args.tenant}"]
    if args.json:
        output.document([asdict(each) for each in found])
    elif found:
        output.table(["job", "part", "since (UTC)", "until (UTC)", "by"], map(_row, found), optional=["until (UTC)"])
    else:
        output.notice("nothing is paused")
    return Exit.DONE


def _row(pause: Pause) -> list[str]:
    part = pause.part.replace("#", " ", 1)
    return [pause.job, part, output.to_second(pause.since), output.to_second(pause.until), pause.text]
