"""Consumers' queues: depth as it is now, age, lag and errors as they were when last looked at."""

from __future__ import annotations

import argparse
from typing import Any

from cli import options, output
from cli.exit_codes import Exit
from shared import clock
from shared.job import manifest, registry
from shared.messages import queue_depth
from shared.messages.queue_depth import QueueHealth


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON array")
    options.arguments(parser)


def call(args: argparse.Namespace) -> int:
    entries = manifest.of(registry.jobs().values())
    with options.opened(args) as cloud:
        before = queue_depth.read(cloud)
        looked = (
            queue_depth.look(cloud, job, entries[job]["key"], queue, before.get(queue))
            for queue, job in queue_depth.queues(entries).items()
        )
        found = [health for health in looked if health]
        now = clock.milliseconds(cloud.clock.now())
    shown = [described(health, now) for health in found]
    if args.json:
        output.document(shown)
    elif shown:
        columns = ["queue", "job", "waiting", "working", "delayed", "dead", "age", "lag", "done", "failed", "errors"]
        output.table(columns, [_row(each) for each in shown], spare=["done", "delayed", "lag"])
    else:
        output.say(f"there are no queues; {options.to_deploy(args)}")
    return Exit.DONE


def described(health: QueueHealth, now: int) -> dict[str, Any]:
    """Ages in milliseconds, errors in percent of the messages since queue-health looked last."""
    names = ("queue", "job", "waiting", "working", "delayed", "dead", "lag", "done", "failed", "errors")
    return {**{name: getattr(health, name) for name in names}, "age": health.age(now)}


def _row(each: dict[str, Any]) -> list[Any]:
    errors = (f"{each['errors']:g} %", "red" if each["errors"] else "green")
    return [
        *(each[name] for name in ("queue", "job", "waiting", "working", "delayed", "dead")),
        *(f"{each[name] / 1000:.1f} s" if each[name] else "" for name in ("age", "lag")),
        *(each[name] for name in ("done", "failed")),
        errors,
    ]
