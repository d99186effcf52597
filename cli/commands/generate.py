"""Write the generated files, or check that they are current."""

from __future__ import annotations

import argparse

from cli import output
from cli.exit_codes import CommandError, Exit
from cli.generate import main
from cli.paths import ROOT
from shared.job import registry

EXAMPLES = ("generate", "generate --check")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if a file is not current")


def call(args: argparse.Namespace) -> int:
    wanted = main.generated(registry.jobs({}).values())
    if broken := main.breaking_changes(ROOT, wanted):
        raise CommandError(
            Exit.REFUSED,
            f"{'; '.join(broken)}: raise the version of the document in cli/shapes/documents.py, or, if no commit has "
            f"that form, restore {main.JSON_SCHEMA} from the last commit; nothing was written",
        )
    stale = main.differences(ROOT, wanted)
    if not args.check:
        for path, text in stale.items():
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(text)
        output.notice(f"{len(stale)} files written" if stale else "all generated files are current")
        return Exit.DONE
    for path in stale:
        output.notice(f"{path} is not current; run `make generate`")
    return Exit.FAILED if stale else Exit.DONE
