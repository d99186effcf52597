"""Pause a job, a target or a tenant.

Until operators resume it, or until a given time.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from cli import options, output, pausing
from cli.exit_codes import Exit
from shared.admin import pause

EXAMPLES = (
    "pause pricing --reason 'index rebuild'",
    "pause --tenant org_1 --reason 'import of old data' --until 6h",
    "pause pricing --target shop.example --reason 'maintenance' --aws --stage prod",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", metavar="WHY", required=True, help="why, shown with the pause; required")
    parser.add_argument(
        "--until",
        metavar="TIME",
        help="end of the pause: 2h, 3d, 18:00 (UTC), or ISO 8601 (default: until it is resumed)",
    )
    pausing.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    paused = pausing.change(args, pause.pause)
    if args.json:
        output.document([asdict(each) for each in paused] if args.job is None else asdict(paused[0]))
    else:
        for each in paused:
            print(f"{each.sentence}; runs in progress are not interrupted")
        job = [args.job] if args.job else []
        print(f"  {options.advised(args, 'resume', *job, *pausing.part_options(args))}")
    return Exit.DONE
