"""The status keys, as `/__cron/run/status` has them."""

from __future__ import annotations

import argparse
from typing import Any

from cli import options, output
from cli.exit_codes import Exit
from shared.job import manifest, registry
from shared.run import status_view


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object, by status key")
    options.arguments(parser)


def call(args: argparse.Namespace) -> int:
    entries = manifest.of(registry.jobs().values())
    with options.opened(args) as cloud:
        shown = status_view.read(cloud, entries)
    if args.json:
        output.document(shown)
    elif shown:
        output.table(["key", "outcome", "at (UTC)", "ms", "last good", "note"], [_row(*each) for each in shown.items()])
    else:
        output.say("no job has run yet")
    return Exit.DONE


def _row(key: str, status: dict[str, Any]) -> list[Any]:
    outcome = status.get("outcome", "")
    if status["state"] == "PROCESSING":
        outcome = f"running {status.get('progress', 0)} %"
    note = status.get("note", "")
    if status.get("streak", 0) > 1:
        note = f"{status['streak']} in a row; {note}"
    if "paused" in status:
        note = f"paused: {status['paused']}"
    for part, text in status.get("pauses", {}).items():
        note = f"{note}; paused for {part.replace('#', ' ', 1)}: {text}".removeprefix("; ")
    return [
        key,
        output.verdict(outcome, status.get("ok", True)),
        _short(status.get("at", "")),
        status.get("ms"),
        _short(status.get("lastGood", "")),
        note,
    ]


def _short(instant: str) -> str:
    return instant[:19].replace("T", " ")
