"""List the runs of a job.

Those in progress, then its history, newest first.
"""

from __future__ import annotations

import argparse
from itertools import islice
from typing import Any

from cli import options, output
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_job
from cli.run_rows import ended, running
from shared.aws.names import NO_TARGET
from shared.job import retention
from shared.job.definition import Job

EXAMPLES = ("runs pricing", "runs pricing --limit 100 --json --aws --stage prod")
LIMIT = 20


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", help="name of the job")
    parser.add_argument("--limit", type=int, metavar="N", default=LIMIT, help="how many (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    job = find_job(args.job)
    if args.limit < 1:
        raise CommandError(Exit.WRONG_USE, f"--limit {args.limit} shows nothing; it must be at least 1")
    with options.open_cloud(args, reading=True) as cloud:
        shown = [*running(cloud, job), *islice(ended(cloud, job), args.limit)]
    if args.json:
        output.document(shown)
    elif shown:
        output.table(["started (UTC)", "target", "tick", "try", "outcome", "ms", "what"], map(_row, shown))
    else:
        output.notice(f"no run of {job.name} is on record; rows are retained for {_retention(job)}")
    return Exit.DONE


def _row(run: dict[str, Any]) -> list[Any]:
    target = run.get("target", NO_TARGET)
    what = run.get("note") or ", ".join(f"{count} {name}" for name, count in run.get("counts", {}).items())
    if run.get("duplicates"):
        what = f"{what} ({run['duplicates']} duplicates)".strip()
    return [
        output.to_second(run.get("started") or ""),
        "" if target == NO_TARGET else target,
        run.get("tick"),
        run.get("attempt"),
        output.verdict(run["outcome"], run.get("ok", True)),
        run.get("ms"),
        what,
    ]


def _retention(job: Job) -> str:
    retained = retention.read(job.retention)
    return f"{output.span(retained.completed.age)}, those of failed runs for {output.span(retained.failed.age)}"
