"""Log lines of a run by hand: text for people, or JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from cli import output
from shared.observability.log import to_stderr

# Fields that the text shows at its beginning, or which every line of a run repeats.
HEAD = ("level", "message", "timestamp", "job", "jobId", "correlationId", "entityId", "runId", "organizationId")


def add_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log",
        choices=("text", "json"),
        help="form of the log on stderr; json has the metrics too (default: text, or json with --json)",
    )


def writer(args: argparse.Namespace) -> Callable[[str], None]:
    """The destination of log lines that the options select."""
    form = args.log or ("json" if args.json else "text")
    return to_stderr if form == "json" else print_text


def print_text(line: str) -> None:
    """Print a JSON log line as text; metrics are left out."""
    if text := as_text(json.loads(line)):
        output.notice(text)


def as_text(entry: dict[str, Any]) -> str:
    """A log line as text; empty for metrics."""
    if "_aws" in entry:
        return ""
    fields = {name: value for name, value in entry.items() if name not in HEAD and value not in ("", None)}
    time, level = str(entry.get("timestamp", ""))[11:19], str(entry.get("level", ""))
    return f"{time}  {level:7}  {entry.get('message', '')}  {output.fields(fields)}".rstrip()
