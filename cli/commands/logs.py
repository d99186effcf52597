"""A job's log, as its function wrote it."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, NoReturn

from cli import options, output
from cli.commands.run import found
from cli.exit_codes import Exit, Stop
from shared import clock
from shared.aws.cloud import Cloud

SPAN = re.compile(r"(\d+)([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
POLL = 1.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job")
    parser.add_argument("--since", default="1h", help="how far back, as in 30s, 15m, 2h, 3d; 1h where it isn't said")
    parser.add_argument("--run", metavar="RUN_ID", help="only the lines of this run")
    parser.add_argument("--follow", action="store_true", help="go on with what comes, until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="one JSON array")
    options.arguments(parser)


def call(args: argparse.Namespace) -> int:
    job = found(args.job)
    if args.json and args.follow:
        raise Stop(Exit.WRONG_USE, "--json is one document, and --follow has no end; say one of them")
    span = _span(args.since)
    with options.opened(args) as cloud:
        since = clock.milliseconds(cloud.clock.now() - span)
        lines = list(read(cloud, job.name, since, args.run))
        if args.json:
            output.document(lines)
            return Exit.DONE
        _print(lines)
        if args.follow:
            # Ctrl-C is how it ends, and no failure.
            with suppress(KeyboardInterrupt):
                _follow(cloud, job.name, lines[-1]["timestamp"] + 1 if lines else since, args.run)
    return Exit.DONE


def _follow(cloud: Cloud, job: str, since: int, run: str | None) -> NoReturn:
    while True:
        time.sleep(POLL)
        lines = list(read(cloud, job, since, run))
        since = lines[-1]["timestamp"] + 1 if lines else since
        _print(lines)


def read(cloud: Cloud, job: str, since: int, run: str | None) -> Iterator[dict[str, Any]]:
    """`{"timestamp": epoch ms, "message": text}`, oldest first. Nothing where the function has not run yet."""
    logs: Any = cloud.session.client("logs", region_name=cloud.names.region)
    # As a phrase: a run id has hyphens, which mean "without" in a bare pattern.
    pattern = {"filterPattern": f'"{run}"'} if run else {}
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{cloud.names.function(job)}", startTime=since, **pattern
    )
    try:
        events = [event for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return
    for event in sorted(events, key=lambda event: int(event["timestamp"])):
        yield {"timestamp": event["timestamp"], "message": event["message"].rstrip("\n")}


def _span(text: str) -> timedelta:
    match = SPAN.fullmatch(text)
    if match is None:
        raise Stop(Exit.WRONG_USE, f"--since {text!r} is no span of time; say 30s, 15m, 2h or 3d")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def _print(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        print(line["message"], flush=True)
