"""How the jobs are doing: how often each succeeds and how long it takes, from its history; the worst first."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from cli import options, output
from cli.commands.run import found
from cli.commands.runs import ended
from cli.exit_codes import Exit, Stop
from shared import clock
from shared.aws.cloud import Cloud
from shared.job import registry, retention
from shared.job.definition import Job

HOURS = 24
# Percent of runs: below that a job is shown in red.
WELL = 99
# The outcomes of a run that had its job's code at work.
WORKED = ("done", "failed", "lost", "refused")


@dataclass(frozen=True, slots=True)
class Standing:
    """runs: those that worked; unhealthy: done, with a bad verdict. success: of the runs, in percent; None without any.

    p50, p95: milliseconds, by nearest rank. since: how far back rows of good runs go, which bounds what is counted.
    """

    job: str
    runs: int
    success: float | None
    unhealthy: int
    failed: int
    lost: int
    skipped: int
    p50: int | None
    p95: int | None
    last: str
    since: str


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", help="this one alone")
    parser.add_argument("--hours", type=float, default=HOURS, help=f"how far to look back, {HOURS} where it isn't said")
    parser.add_argument("--json", action="store_true", help="one JSON array")
    options.arguments(parser)


def call(args: argparse.Namespace) -> int:
    if not 0 < args.hours <= 24 * 366:
        raise Stop(Exit.WRONG_USE, f"--hours {args.hours:g} shows nothing; say more than 0 and at most a year")
    jobs = [found(args.job)] if args.job else registry.jobs().values()
    with options.opened(args) as cloud:
        standings = sorted((standing(cloud, job, timedelta(hours=args.hours)) for job in jobs), key=_worst_first)
    if args.json:
        output.document([asdict(each) for each in standings])
    else:
        columns = [
            "job",
            "success",
            "runs",
            "failed",
            "lost",
            "bad",
            "skipped",
            "p50 ms",
            "p95 ms",
            "last run",
            "since",
        ]
        output.table(columns, map(_row, standings), spare=["skipped", "since", "last run"])
    return Exit.DONE


def standing(cloud: Cloud, job: Job, back: timedelta) -> Standing:
    """From the history rows: a query a day. Rows of failures are kept longer than those of good runs; they are counted
    only as far back as both are there, or every old job would look ill."""
    now, kept = cloud.clock.now(), retention.read(job.retention).completed
    since = now - min(back, kept.age)
    good, counted, worked, last = 0, Counter[str](), list[int](), ""
    for row in ended(cloud, job):
        at = clock.parse(row["started"])
        if at < since:
            break
        kind = "unhealthy" if row["outcome"] == "done" and not row["ok"] else row["outcome"]
        counted[kind] += row.get("count", 1)
        if row["outcome"] in WORKED:
            last = last or row["started"]
            worked += [row["ms"]] if "ms" in row else []
        good += row["ok"]
        if good >= kept.count:
            since = at
            break
    return _standing(job.name, counted, sorted(worked), last, since)


def percentile(ordered: Sequence[int], percent: int) -> int | None:
    """By nearest rank: a value that was measured."""
    return ordered[ceil(len(ordered) * percent / 100) - 1] if ordered else None


def _standing(job: str, counted: Counter[str], worked: Sequence[int], last: str, since: datetime) -> Standing:
    runs = counted["unhealthy"] + sum(counted[word] for word in WORKED)
    well = counted["done"] + counted["unhealthy"]
    return Standing(
        job=job,
        runs=runs,
        success=round(100 * well / runs, 1) if runs else None,
        unhealthy=counted["unhealthy"],
        failed=counted["failed"],
        lost=counted["lost"],
        skipped=counted.total() - runs,
        p50=percentile(worked, 50),
        p95=percentile(worked, 95),
        last=last,
        since=clock.iso(since),
    )


def _worst_first(each: Standing) -> tuple[float, str]:
    return (each.success if each.success is not None else 101, each.job)


def _row(each: Standing) -> list[Any]:
    shown = "" if each.success is None else f"{each.success:g} %"
    return [
        each.job,
        (shown, "green" if each.success is None or each.success >= WELL else "red"),
        each.runs,
        each.failed,
        each.lost,
        each.unhealthy,
        each.skipped,
        each.p50,
        each.p95,
        _short(each.last),
        _short(each.since),
    ]


def _short(instant: str) -> str:
    return instant[:16].replace("T", " ")
