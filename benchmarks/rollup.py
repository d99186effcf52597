"""Sums of a million messages: `jobs.py sums`, polars, a loop.

    python -m benchmarks.rollup [--events 1000000] [--rounds 5]

Sums by user, day and week. The ways alternate in one process, and processor time is compared. Exit code 1 if
`jobs.py sums` certainly takes longer than BOUND of polars alone, or if the sums differ.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.report.figures import Figures, Section
from benchmarks.report.ratio import interleaved, ratio
from benchmarks.report.svg import bars
from cli.commands.sums import Sum, sums

USERS, DAYS = 1000, 60
BOUND = 1.0


def written(file: Path, events: int) -> None:
    """As `load messages` takes them."""
    random.seed(4)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    with file.open("w") as lines:
        for number in range(events):
            at = begin + timedelta(seconds=random.randrange(DAYS * 86400))
            instant = f"{at:%Y-%m-%dT%H:%M:%S}.000Z"
            line = {"user": f"u{random.randrange(USERS)}", "id": f"m{number}", "received_at": instant}
            rest = {"recorded_at": instant, "bytes_used": random.randrange(100_000), "direction": "forwarded"}
            lines.write(json.dumps({**line, **rest}) + "\n")


def ours(file: Path) -> dict[tuple[str, str], tuple[int, int]]:
    return {(each.user, each.id): (each.bytes_used, each.messages) for each in map(Sum._make, sums([file]))}


def by_hand(file: Path) -> dict[tuple[str, str], tuple[int, int]]:
    """As polars' own guide reads lines of JSON and groups them."""
    import polars
    from polars import col

    frame = polars.read_ndjson(file).with_columns(col("received_at").str.to_datetime(time_zone="UTC"))
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for form in ("day#%Y-%m-%d", "week#%G-W%V"):
        named = col("received_at").dt.strftime(form).alias("id")
        grouped = frame.group_by("user", named).agg(col("bytes_used").sum(), polars.len())
        found |= {(user, name): (used, count) for user, name, used, count in grouped.iter_rows()}
    return found


def loop(file: Path) -> dict[tuple[str, str], tuple[int, int]]:
    used, count = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    with file.open() as lines:
        for line in lines:
            row = json.loads(line)
            on = row["received_at"][:10]
            year, week, _ = date.fromisoformat(on).isocalendar()
            for key in ((row["user"], f"day#{on}"), (row["user"], f"week#{year}-W{week:02d}")):
                used[key] += row["bytes_used"]
                count[key] += 1
    return {key: (used[key], count[key]) for key in used}


WAYS: dict[str, Callable[[Path], dict[tuple[str, str], tuple[int, int]]]] = {
    "jobs.py sums": ours,
    "polars by hand": by_hand,
    "json and a loop": loop,
}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "messages.jsonl")
        written(file, args.events)
        same = ours(file) == by_hand(file) == loop(file)
        taken = interleaved({way: partial(timed, run, file) for way, run in WAYS.items()}, args.rounds)
    figures = Figures(
        "rollup",
        "Sums of messages",
        "python -m benchmarks.rollup",
        f"Sums of {args.events:,} messages by user, day and week, from lines of JSON",
    )
    rows, shown = [], []
    for way, seconds in taken.items():
        to_peer = ratio(seconds, taken["polars by hand"])
        rows.append([way, f"{args.events / median(seconds) / 1e6:.2f}", str(to_peer)])
        shown.append((way, to_peer.median, to_peer.low, to_peer.high))
        if way == "jobs.py sums" and to_peer.above(BOUND):
            figures.missed.append(f"{way} takes {to_peer} of the time of polars by hand; at most {BOUND} is expected")
    if not same:
        figures.missed.append("the ways have different sums")
    columns = ["way", "million events a second", "time, as a share of polars by hand"]
    figures.sections.append(Section("Throughput", "", columns, rows, "rollup.svg"))
    figures.plots["rollup.svg"] = bars("Time", "share of polars by hand", shown)
    return figures.store()


def timed(run: Callable[[Path], object], file: Path) -> float:
    """Seconds of processor time, of all threads."""
    began = time.process_time()
    run(file)
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
