"""Cost of the recorded runs of a job, from their durations."""

from __future__ import annotations

import argparse
import heapq
from typing import TYPE_CHECKING, Any

from cli import declared_jobs, options, output
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_declared
from cli.period import parse_since
from cli.run_rows import EXECUTED, ended
from infra import run_cost

if TYPE_CHECKING:
    from cli.shapes.deployment import RecordedCost

# Runs that are listed.
DEAREST = 5


def call(args: argparse.Namespace) -> int:
    """Print the cost of a job's runs."""
    job = find_declared(args.job)
    if job.queue:
        listing = options.advised(args, "logs", job.name, "--json")
        raise CommandError(
            Exit.WRONG_USE,
            f"{job.name} is a consumer, whose history has failed messages only; price its log: "
            f"`{listing} > log.json`, then `cost --tenants log.json`",
        )
    memory = declared_jobs.read().listed[job.name]["memory_mb"]
    with options.open_cloud(args, reading=True) as cloud:
        since = parse_since("--since", args.since, cloud.clock.now())
        rows = [
            row
            for row in ended(cloud, job, since, attributes_read=("started", "ms"))
            if row["outcome"] in EXECUTED and "ms" in row and row["started"] >= f"{since:%Y-%m-%dT%H:%M:%S}"
        ]
    dearest = heapq.nlargest(DEAREST, rows, key=lambda row: int(row["ms"]))
    document: RecordedCost = {
        "job": job.name,
        "since": f"{since:%Y-%m-%dT%H:%M:%SZ}",
        "runs": len(rows),
        "seconds": round(sum(int(row["ms"]) for row in rows) / 1000, 3),
        "memory": memory,
        "dollars": round(sum(run_cost.of_run(memory, int(row["ms"])) for row in rows), 6),
        "dearest": [
            {
                "run": row["run_id"],
                "started": row["started"],
                "ms": int(row["ms"]),
                "dollars": round(run_cost.of_run(memory, int(row["ms"])), 9),
            }
            for row in dearest
        ],
    }
    if args.json:
        output.document(document)
    else:
        _print(document)
    return Exit.DONE


def _print(shown: RecordedCost) -> None:
    rows: list[list[Any]] = [
        [each["run"], output.to_second(each["started"]), each["ms"], f"{each['dollars']:.9f}"]
        for each in shown["dearest"]
    ]
    if rows:
        output.table(["dearest runs", "started (UTC)", "ms", "dollars"], rows)
    print(
        f"{shown['job']} since {output.to_minute(shown['since'])} UTC: {shown['runs']:,} runs, "
        f"{shown['seconds']:,.1f} s at {shown['memory']} MB, {shown['dollars']:.6f} dollars "
        "without the calls of its own code"
    )
