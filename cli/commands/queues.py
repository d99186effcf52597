"""Show the consumers' queues.

Depth now; age, lag and error rate since queue-health last measured them.
"""

from __future__ import annotations

import argparse
from typing import Any

from cli import declared_jobs, options, output
from cli.exit_codes import Exit
from shared import clock
from shared.messages import queue_depth
from shared.messages.queue_depth import QueueMeasurement

EXAMPLES = ("queues", "queues --aws --stage prod")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    entries = declared_jobs.entries()
    with options.open_cloud(args, reading=True) as cloud:
        before = queue_depth.read(cloud)
        measured = [
            queue_depth.measure(cloud, job, entries[job]["key"], queue, before.get(queue))
            for queue, job in queue_depth.queues(entries).items()
        ]
        now = clock.milliseconds(cloud.clock.now())
    shown = [queue_data(health, now) for health in measured if health]
    if args.json:
        output.document(shown)
    elif shown:
        columns = ["queue", "job", "waiting", "working", "delayed", "dead", "age", "lag", "done", "failed", "errors"]
        output.table(columns, map(_row, shown), spare=["done", "delayed", "lag"])
    else:
        output.notice(f"there are no queues; {options.deployment_hint(args)}")
    return Exit.DONE


def queue_data(health: QueueMeasurement, now: int) -> dict[str, Any]:
    """One queue as JSON data.

    Ages in milliseconds, errors in percent of the messages since the last measurement.
    """
    names = ("queue", "job", "waiting", "working", "delayed", "dead", "lag", "done", "failed", "errors")
    return {**{name: getattr(health, name) for name in names}, "age": health.age(now)}


def _row(queue: dict[str, Any]) -> list[Any]:
    errors = (f"{queue['errors']:g} %", "red" if queue["errors"] else "green")
    return [
        *(queue[name] for name in ("queue", "job", "waiting", "working", "delayed", "dead")),
        *(f"{queue[name] / 1000:.1f} s" if queue[name] else "" for name in ("age", "lag")),
        *(queue[name] for name in ("done", "failed")),
        errors,
    ]
