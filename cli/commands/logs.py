"""Print the log of a job, as its function wrote it."""

from __future__ import annotations

import argparse
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from cli import options, output
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_job
from cli.period import parse_duration
from cli.unreachable import read_or_report
from shared import clock
from shared.aws.cloud import Cloud

if TYPE_CHECKING:
    from cli.shapes.messages import LogLine

EXAMPLES = ("logs pricing", "logs pricing --since 15m --follow")
POLL = 1.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", help="name of the job")
    parser.add_argument(
        "--since", metavar="DURATION", default="1h", help="how far back: 30s, 15m, 2h, 3d (default: %(default)s)"
    )
    parser.add_argument("--run", metavar="RUN_ID", help="only the lines of this run (default: all)")
    parser.add_argument("--follow", action="store_true", help="continue with new lines, until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    job = find_job(args.job)
    if args.json and args.follow:
        raise CommandError(Exit.WRONG_USE, "--json prints one document and --follow never ends; use one of them")
    duration = parse_duration("--since", args.since)
    with options.open_cloud(args, reading=True) as cloud:
        since = clock.milliseconds(cloud.clock.now() - duration)
        lines = read(cloud, job.name, since, args.run)
        if args.json:
            output.document(lines)
            return Exit.DONE
        _print(lines)
        if args.follow:
            # Ctrl-C is the normal end, not a failure.
            with suppress(KeyboardInterrupt):
                _follow(cloud, job.name, lines[-1]["timestamp"] + 1 if lines else since, args.run)
    return Exit.DONE


def _follow(cloud: Cloud, job: str, since: int, run: str | None) -> NoReturn:
    while True:
        time.sleep(POLL)
        lines = read_or_report(partial(read, cloud, job, since, run), "the log")
        since = lines[-1]["timestamp"] + 1 if lines else since
        _print(lines)


def read(cloud: Cloud, job: str, since: int, run: str | None) -> list[LogLine]:
    """`{"timestamp": epoch ms, "message": text}`, oldest first.

    Empty if the function has never run.
    """
    logs: Any = cloud.logs
    # Quoted, as a phrase: in a bare pattern the hyphens of a run id exclude terms.
    pattern = {"filterPattern": f'"{run}"'} if run else {}
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{cloud.names.function(job)}", startTime=since, **pattern
    )
    try:
        events = [event for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [
        {"timestamp": event["timestamp"], "message": event["message"].rstrip("\n")}
        for event in sorted(events, key=lambda event: int(event["timestamp"]))
    ]


def _print(lines: list[LogLine]) -> None:
    for line in lines:
        print(line["message"], flush=True)
