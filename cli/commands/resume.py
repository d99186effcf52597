"""Let a job go on that was paused, or one target or tenant of it."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from cli import output
from cli.commands.pause import done, named
from cli.exit_codes import Exit
from shared.admin import pause


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", metavar="WHY", default="no reason given", help="kept in the audit")
    named(parser)


def call(args: argparse.Namespace) -> int:
    was = done(args, pause.resume)
    if args.json:
        output.document(asdict(was))
    else:
        goes = (
            f"is still held by its {was.still}; repeat this to let it spend as much again" if was.still else "goes on"
        )
        print(f"{was.what} {goes}; it was paused{was.by}")
    return Exit.DONE
