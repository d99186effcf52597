"""Deletions per second of a purge, beside batch_writer and scan-and-delete.
python -m benchmarks.purge [--rounds 3]

The store responds after 5 ms. Each measurement is another process against another store. Ratios are taken within a
round; the median counts. The peers get fewer rows, since their rate does not depend on the number. Then the purge for
1,000 to 1,000,000 rows: its calls against the formula, its peak memory, and the growth of its time beyond that of an
empty run. Exit code 1 if a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PARTITIONS = 16
# Rows that the brake allows without a comparison.
FEW = 50
SIZES = (1_000, 10_000, 100_000, 1_000_000)
REPEATED = {0: 5, 1_000: 5, 10_000: 5, 100_000: 3, 1_000_000: 1}
# Bounds: ratios, and growth of memory from the smallest to the largest size.
TO_BATCH_WRITER, TO_SCAN, GROWTH, SLOPE = 5, 60, 1.15, (0.95, 1.05)
# CPU per row, as a share of batch_writer's.
CPU_SHARE = 0.35
ROWS = {"purge": 60_000, "batch_writer": 10_000, "scan and delete": 1_000}


def purge(rows: int) -> Callable[[], None]:
    """`Purge` as a tick runs it: claim, brake, deletion, finish, history."""
    from shared.aws.cloud import Cloud
    from shared.aws.names import Names
    from shared.observability.log import Log
    from shared.run.firing import Firing
    from shared.run.run import run

    cloud = Cloud(Names("benchmark", "000000000000", "us-east-1"), environment={"HOLDS_MOST_ROWS": str(10 * rows + 1)})
    for client in (cloud.dynamodb, cloud.bulk):
        client.describe_limits()
    job = _job(rows)

    def work() -> None:
        report = run(job, Firing("holds", datetime.now(UTC)), cloud, Log(lambda _: None))
        assert (report.outcome, report.counts) == ("done", {"purged": rows}), report

    return work


def _job(rows: int) -> Any:
    from shared.archetypes.purge import Purge
    from shared.job.duration import days
    from shared.job.idempotency import natural
    from shared.tables import Index, Table

    class Holds(Purge):
        """Purge held messages."""

        name = "holds"
        table = Table("holds", "held messages", indexes=(Index("aged", "aged", "since", shards=PARTITIONS),))
        keep = days(30)
        cap = 10 * rows + 1
        timeout = 900
        few = FEW
        idempotency = natural("a row once deleted is not found again")

    return Holds()


def batch_writer(_rows: int) -> Callable[[], None]:
    """Query pages of the index into batch_writer, as in boto3's guide."""
    from boto3.dynamodb.conditions import Key

    table = _table()

    def work() -> None:
        with table.batch_writer() as batch:
            for number in range(PARTITIONS):
                due = Key("aged").eq(f"{number:02d}") & Key("since").lte("2026-01-01")
                for item in _paged(table.query, IndexName="aged", KeyConditionExpression=due):
                    batch.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})

    return work


def scan_and_delete(_rows: int) -> Callable[[], None]:
    from boto3.dynamodb.conditions import Attr

    table = _table()

    def work() -> None:
        for item in _paged(table.scan, FilterExpression=Attr("since").lte("2026-01-01")):
            table.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})

    return work


def _table() -> Any:
    import boto3

    resource = boto3.resource("dynamodb")
    resource.meta.client.describe_limits()
    return resource.Table("holds")


def _paged(read: Callable[..., Any], **asked: Any) -> Iterator[Any]:
    while True:
        page = read(**asked)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]


WAYS = {"purge": purge, "batch_writer": batch_writer, "scan and delete": scan_and_delete}


def measured(way: str, rows: int) -> dict[str, Any]:
    """Seconds, peak memory in MB, and the store's calls.

    Raises if a row is left.
    """
    store = [sys.executable, "-m", "benchmarks.stands.rows", str(rows), str(PARTITIONS)]
    with subprocess.Popen(store, stdout=subprocess.PIPE, text=True, cwd=ROOT) as serving:
        assert serving.stdout is not None
        url = f"http://127.0.0.1:{serving.stdout.readline().strip()}"
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        try:
            command = [sys.executable, "-m", "benchmarks.purge", "--only", way, str(rows)]
            done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{way}, {rows:,} rows: {done.stderr}")
            with urllib.request.urlopen(url) as answer:
                store_saw = json.load(answer)
        finally:
            serving.kill()
    assert store_saw["left"] == 0, f"{way} left {store_saw['left']:,} of {rows:,} rows"
    del store_saw["calls"]["DescribeLimits"]
    return {**json.loads(done.stdout.splitlines()[-1]), "calls": store_saw["calls"]}


def only(way: str, rows: int) -> None:
    """Run in this process with warm clients, as in a second invocation."""
    work = WAYS[way](rows)
    began, cpu = time.perf_counter(), time.process_time()
    work()
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(json.dumps({"seconds": took, "cpu": cpu, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def expected(rows: int) -> dict[str, int]:
    """The exact number of calls of one purge.

    Rows are distributed evenly over the partitions.
    """
    from benchmarks.stands.rows import PAGE as COUNTED
    from shared.store.age_index import PAGE
    from shared.store.batch_write import BATCH

    each = [(rows + PARTITIONS - 1 - number) // PARTITIONS for number in range(PARTITIONS)]
    pages = sum(size // PAGE + 1 for size in each)
    large = rows > FEW or max(each) >= PAGE
    counts = sum((size - PAGE) // COUNTED + 1 for size in each if size >= PAGE)
    calls = {
        "Query": pages + (1 + counts if large else 0),
        "BatchWriteItem": math.ceil(rows / BATCH),
        # Claim, finish, history, and the day's largest purge.
        "UpdateItem": 4 if rows else 3,
        # The approval's row.
        "GetItem": 1 if large else 0,
    }
    return {name: count for name, count in calls.items() if count}


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Slope of the least-squares line through the logarithms."""
    xs, ys = zip(*((math.log(x), math.log(y)) for x, y in points), strict=True)
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    return float(sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / sum((x - mx) ** 2 for x in xs))


def rates(rounds: int) -> list[str]:
    seen: dict[str, list[float]] = {way: [] for way in WAYS}
    cpu: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, rows in ROWS.items():
            found = measured(way, rows)
            seen[way].append(rows / found["seconds"])
            cpu[way].append(found["cpu"] / rows * 1e6)
    faults = []
    for way, least in (("batch_writer", TO_BATCH_WRITER), ("scan and delete", TO_SCAN)):
        ratio = median(ours / theirs for ours, theirs in zip(seen["purge"], seen[way], strict=True))
        print(f"{way:<16} {median(seen[way]):>9,.0f} rows/s   purge is {ratio:.1f} times as fast (at least {least})")
        faults += [f"only {ratio:.1f} times {way}"] if ratio < least else []
    print(f"{'purge':<16} {median(seen['purge']):>9,.0f} rows/s")
    share = median(ours / theirs for ours, theirs in zip(cpu["purge"], cpu["batch_writer"], strict=True))
    print(", ".join(f"{way} {median(found):.0f} µs" for way, found in cpu.items()), "of CPU a row")
    print(f"purge takes {share:.2f} of batch_writer's CPU (at most {CPU_SHARE})")
    return faults if share <= CPU_SHARE else [*faults, f"{share:.2f} of batch_writer's CPU"]


def best(rows: int) -> dict[str, Any]:
    """The fastest of a few purges of that size.

    Other load on the machine only slows them down.
    """
    return min((measured("purge", rows) for _ in range(REPEATED[rows])), key=lambda found: float(found["seconds"]))


def growth() -> list[str]:
    faults, points, memory = [], [], []
    nothing = best(0)["seconds"]
    print(f"{0:>9,} rows {nothing:>8.2f} s")
    for rows in SIZES:
        found = best(rows)
        points.append((rows, found["seconds"] - nothing))
        memory.append(found["mb"])
        exact = found["calls"] == expected(rows)
        calls = " ".join(f"{name} {count:,}" for name, count in sorted(found["calls"].items()))
        print(f"{rows:>9,} rows {found['seconds']:>8.2f} s {found['mb']:>7.1f} MB   {calls}{'' if exact else ' !'}")
        faults += [] if exact else [f"{rows:,} rows: {found['calls']} calls, and {expected(rows)} are needed"]
    grown, linear = max(memory) / memory[0], slope(points)
    print(f"memory grows {(grown - 1) * 100:.1f} %, time by the power of {linear:.3f}")
    faults += [f"memory grows to {grown:.2f} times"] if grown > GROWTH else []
    return faults + ([f"time grows by the power of {linear:.3f}"] if not SLOPE[0] <= linear <= SLOPE[1] else [])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.purge", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison (default: 3)")
    parser.add_argument("--only", nargs=2, metavar=("WAY", "ROWS"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.only:
        only(given.only[0], int(given.only[1]))
        return 0
    faults = [*rates(given.rounds), *growth()]
    for fault in faults:
        print(f"missed: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
