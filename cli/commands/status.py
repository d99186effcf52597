"""Show the status keys, as the break-glass path `/__cron/run/status` returns them."""

from __future__ import annotations

import argparse
from typing import Any

from cli import options, output, registered_jobs
from cli.exit_codes import Exit
from shared.job import manifest
from shared.run import status_view

EXAMPLES = ("status", "status --json --aws --stage prod")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object, by status key")
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    entries = manifest.of(registered_jobs.jobs().values())
    with options.open_cloud(args, reading=True) as cloud:
        shown = status_view.read(cloud, entries)
    if args.json:
        output.document(shown)
    elif shown:
        output.table(["key", "outcome", "at (UTC)", "ms", "last good", "note"], [_row(*each) for each in shown.items()])
    else:
        output.notice("no job has run yet")
    return Exit.DONE


def _row(key: str, status: dict[str, Any]) -> list[Any]:
    outcome = status.get("outcome", "")
    if status["state"] == "PROCESSING":
        outcome = f"running {status.get('progress', 0)} %"
    return [
        key,
        output.verdict(outcome, status.get("ok", True)),
        output.to_second(status.get("at", "")),
        status.get("ms"),
        output.to_second(status.get("lastGood", "")),
        _note(status),
    ]


def _note(status: dict[str, Any]) -> str:
    note = str(status.get("note", ""))
    if status.get("streak", 0) > 1:
        note = f"{status['streak']} in a row; {note}"
    if "paused" in status:
        note = f"paused: {status['paused']}"
    for part, text in status.get("pauses", {}).items():
        note = f"{note}; paused for {part.replace('#', ' ', 1)}: {text}".removeprefix("; ")
    return note
