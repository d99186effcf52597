"""Print the report of one run, as JSON or as one line."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cli import log_lines, output
from cli.exit_codes import Exit
from shared import clock
from shared.aws.names import NO_TARGET
from shared.run.history import started_by
from shared.run.report import RunReport

if TYPE_CHECKING:
    from cli.shapes.runs import RunResult

FAILURES = ("failed", "lost")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that run a job."""
    parser.add_argument("--json", action="store_true", help="print one JSON object; logs go to stderr in any case")
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 if the run is done and found something bad (default: 0)"
    )
    log_lines.add_argument(parser)


def print_report(report: RunReport, as_json: bool, strict: bool = False) -> Exit:
    """Print it and return the exit code of the command.

    strict: a run that is done, and found something bad, is a failure too.
    """
    shown = report_data(report)
    if as_json:
        output.document(shown)
    else:
        print(summary_line(shown))
    if report.outcome == "refused":
        return Exit.REFUSED
    return Exit.FAILED if report.outcome in FAILURES or (strict and not report.ok) else Exit.DONE


def report_data(report: RunReport) -> RunResult:
    """The report as JSON data; times are ISO 8601 in UTC."""
    started = started_by(report.run_id)
    failed = report.outcome in FAILURES
    return {
        "job": report.job,
        "run_id": report.run_id,
        "tick": report.tick,
        "target": report.target,
        "start": clock.iso(started),
        "end": clock.iso(started + timedelta(milliseconds=report.ms)),
        "status": report.outcome,
        "outcome": report.outcome,
        "ok": report.ok,
        "ms": report.ms,
        "counts": dict(report.counts),
        "note": "" if failed else report.note,
        "error": report.note if failed else None,
        "artifact": report.artifact,
    }


def summary_line(shown: RunResult) -> str:
    """One line of `name=value` pairs for crontab mails and grep.

    Values with spaces are quoted.
    """
    names = ("job", "run_id", "target", "start", "end", "status", "ok", "ms")
    values: dict[str, Any] = {name: value for name, value in shown.items() if name in names}
    if shown["counts"]:
        values["counts"] = ",".join(f"{name}:{count}" for name, count in shown["counts"].items())
    ends = {"note": shown["note"], "error": shown["error"], "artifact": shown["artifact"]}
    values |= {name: value for name, value in ends.items() if value}
    return output.fields({name: value for name, value in values.items() if (name, value) != ("target", NO_TARGET)})
