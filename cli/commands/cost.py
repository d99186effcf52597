"""Estimate the monthly cost of an idle stack, item by item."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cli import output
from cli.exit_codes import CommandError, Exit
from infra import cost, synth
from shared.aws.names import PRODUCTION

if TYPE_CHECKING:
    from cli.shapes.deployment import IdleCost, PricedItem

EXAMPLES = ("cost", "cost --stage dev --json")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stage", default=PRODUCTION, help="the deployment whose templates are priced (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help='print one JSON object: {"dollars", "items": [...]}')


def call(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        try:
            lines = cost.idle(synth.synthesize(Path(folder), args.stage, report=output.notice))
        except synth.SynthError as error:
            raise CommandError(Exit.FAILED, str(error)) from None
    if args.json:
        items: list[PricedItem] = [
            {"item": line.item, "count": line.count, "unit": line.unit, "dollars": round(line.dollars, 4)}
            for line in lines
        ]
        document: IdleCost = {"dollars": round(cost.total(lines), 2), "items": items}
        output.document(document)
    else:
        print(cost.table(lines))
    return Exit.DONE
