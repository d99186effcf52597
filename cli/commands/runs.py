"""The runs of a job: the one at work now, then its history, newest first."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

from cli import options, output
from cli.commands.run import found
from cli.exit_codes import Exit, Stop
from shared import clock
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET, STATE
from shared.job import retention
from shared.job.definition import Job
from shared.tables import TTL

LIMIT = 20
# Bookkeeping of the table, not of the run.
HIDDEN = ("pk", "sk", "duplicate", TTL)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job")
    parser.add_argument("--limit", type=int, default=LIMIT, help=f"how many, {LIMIT} where it isn't said")
    parser.add_argument("--json", action="store_true", help="one JSON array")
    options.arguments(parser)


def call(args: argparse.Namespace) -> int:
    job = found(args.job)
    if args.limit < 1:
        raise Stop(Exit.WRONG_USE, f"--limit {args.limit} shows nothing; say at least 1")
    with options.opened(args) as cloud:
        shown = [*running(cloud, job), *islice(ended(cloud, job), args.limit)]
    if args.json:
        output.document(shown)
    elif shown:
        output.table(["started (UTC)", "target", "tick", "try", "outcome", "ms", "what"], map(_row, shown))
    else:
        output.say(f"no run of {job.name} is on record; rows are kept for {_kept(job)}")
    return Exit.DONE


def running(cloud: Cloud, job: Job) -> Iterator[dict[str, Any]]:
    """From the claim items: who holds a lease now, and who held one when it ran out."""
    now = clock.milliseconds(cloud.clock.now())
    for item in _query(cloud, f"{job.key}:last"):
        if "holder" in item:
            alive = item.get("lease_until", 0) >= now
            yield {
                "run_id": item["holder"],
                "job": job.name,
                "target": item["sk"],
                "tick": item.get("tried", "").rpartition("#")[0] or None,
                "started": item.get("started"),
                "outcome": "running" if alive else "dead",
                "note": f"{item.get('step', 'started')} {item.get('progress', 0)} %"
                if alive
                else "its lease ran out; the reconciler will mark it lost",
            }


def ended(cloud: Cloud, job: Job) -> Iterator[dict[str, Any]]:
    """History rows, newest first: a query a day, back to the last day that rows are kept for."""
    now = cloud.clock.now()
    longest = retention.read(job.retention).failed.age
    # One more: a row is kept from its run's end, and filed under the day of its start.
    for days in range(longest.days + 2):
        day = now - timedelta(days=days)
        for item in _query(cloud, f"runs#{job.name}#{day:%Y-%m-%d}"):
            if item.get(TTL, 0) > now.timestamp() and "outcome" in item:
                kept = {name: value for name, value in item.items() if name not in HIDDEN}
                yield {"run_id": item["sk"], **kept}


def _query(cloud: Cloud, pk: str) -> Iterator[dict[str, Any]]:
    pages = cloud.dynamodb.get_paginator("query").paginate(
        TableName=cloud.names.table(STATE),
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=attributes.row({":pk": pk}),
        ScanIndexForward=False,
    )
    for page in pages:
        yield from map(attributes.plain, page["Items"])


def _row(run: dict[str, Any]) -> list[Any]:
    target = run.get("target", NO_TARGET)
    what = run.get("note") or ", ".join(f"{count} {name}" for name, count in run.get("counts", {}).items())
    if run.get("duplicates"):
        what = f"{what} ({run['duplicates']} duplicates)".strip()
    return [
        f"{run.get('started', '')[:19]}".replace("T", " "),
        "" if target == NO_TARGET else target,
        run.get("tick"),
        run.get("attempt"),
        output.verdict(run["outcome"], run.get("ok", True)),
        run.get("ms"),
        what,
    ]


def _kept(job: Job) -> str:
    kept = retention.read(job.retention)
    return f"{output.span(kept.completed.age)}, of failed runs {output.span(kept.failed.age)}"
