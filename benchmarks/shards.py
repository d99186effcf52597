"""Calls of a purge in 1 to 32 shards.

How evenly the work is divided.
python -m benchmarks.shards [--rows 64000]

Each number of shards purges another table, its shards one after the other, as the tick starts them. The efficiency is
the calls of one run, divided by the shards and by the calls of the one that makes the most: 1 where n shards take an
nth of the time. benchmarks.scale adds the tick that counts the rows. Exit code 1 if it is under 0.9, or if a row is
left.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.report.figures import Figures, Section
from benchmarks.report.svg import Line, plot

ROOT = Path(__file__).resolve().parent.parent
PARTITIONS, COUNTS, LEAST = 32, (1, 2, 4, 8, 16, 32), 0.9


@contextmanager
def table(rows: int) -> Iterator[str]:
    """URL of a table of old rows, which responds at once."""
    command = [sys.executable, "-m", "benchmarks.stands.rows", str(rows), str(PARTITIONS), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as serving:
        assert serving.stdout is not None
        try:
            yield f"http://127.0.0.1:{serving.stdout.readline().strip()}"
        finally:
            serving.kill()


def purged(url: str, rows: int, shards: int) -> tuple[list[int], float]:
    """Calls of each shard, and the seconds of processor time of all."""
    from shared.archetypes.purge import Purge
    from shared.aws.cloud import Cloud
    from shared.aws.names import Names
    from shared.job.duration import days
    from shared.job.idempotency import natural
    from shared.observability.log import Log
    from shared.run.firing import Firing
    from shared.run.run import run
    from shared.tables import Index, Table

    class Holds(Purge):
        """Purge held messages."""

        name = "holds"
        table = Table("holds", "held messages", indexes=(Index("aged", "aged", "since", shards=PARTITIONS),))
        keep = days(30)
        cap = 10 * rows
        timeout = 900
        idempotency = natural("a row once deleted is not found again")

    Holds.shards = PARTITIONS
    cloud = Cloud(Names("benchmark", "000000000000", "us-east-1"), environment={"HOLDS_MOST_ROWS": str(10 * rows)})
    tick = Firing("holds", datetime.now(UTC), part=0 if shards > 1 else 1)
    calls, purged, began = [], 0, time.process_time()
    for number in range(shards):
        firing = tick.shard(number, shards) if shards > 1 else tick
        report = run(Holds(), firing, cloud, Log(lambda _: None))
        purged += report.counts["purged"]
        with urllib.request.urlopen(url) as answer:
            calls.append(sum(json.load(answer)["calls"].values()))
    assert purged == rows, f"{purged:,} of {rows:,} rows were purged by {shards} shards"
    return calls, time.process_time() - began


def measured(rows: int, shards: int) -> dict[str, Any]:
    with table(rows) as url:
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        command = [sys.executable, "-m", "benchmarks.shards", "--only", url, str(rows), str(shards)]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.shards", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=64_000, help="of each table (default: 64,000)")
    parser.add_argument("--only", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.only:
        made, cpu = purged(given.only[0], int(given.only[1]), int(given.only[2]))
        print(json.dumps({"calls": made, "cpu": cpu}))
        return 0
    figures = Figures(
        "shards",
        "Shards of a purge",
        "python -m benchmarks.shards",
        f"How evenly {given.rows:,} rows are divided among shards. Counted, not timed: a shard takes its calls' time.",
    )
    rows: list[list[str]] = []
    points: list[tuple[float, float]] = []
    alone = 0
    for shards in COUNTS:
        calls = measured(given.rows, shards)["calls"]
        alone = alone or calls[0]
        efficiency = alone / shards / max(calls)
        points.append((float(shards), efficiency))
        rows.append([str(shards), f"{sum(calls):,}", f"{max(calls):,}", f"{efficiency:.3f}"])
        if efficiency < LEAST:
            figures.missed.append(
                f"{shards} shards have an efficiency of {efficiency:.3f}; at least {LEAST} is expected"
            )
    columns = ["shards", "calls of all", "calls of the largest", "efficiency"]
    figures.sections.append(Section("Efficiency", "", columns, rows, "shards.svg"))
    ideal = Line("ideal", tuple((float(shards), float(shards)) for shards in COUNTS))
    speed = Line("measured", tuple((shards, shards * efficiency) for shards, efficiency in points))
    figures.plots["shards.svg"] = plot("Speed-up by calls", "shards", "times one run", [ideal, speed])
    return figures.store()


if __name__ == "__main__":
    sys.exit(main())
