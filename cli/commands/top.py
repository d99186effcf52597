"""Show success rate and duration of each job, computed from its history.

The worst first.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from math import ceil, inf
from typing import Any

from cli import declared_jobs, options, output
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_declared
from cli.run_rows import EXECUTED, ended
from shared import clock
from shared.aws.cloud import Cloud
from shared.concurrency import Overdue, fan_out
from shared.job import retention
from shared.job.declared_job import DeclaredJob
from shared.text.human import counted

EXAMPLES = ("top", "top --bad --group sites", "top pricing --hours 168 --aws --stage prod")
HOURS = 24
MAX_HOURS = 24 * 366
# Percent of runs; a lower success rate is shown in red.
GOOD_RATE = 99
# Attributes of a history row that the statistics need.
READ = ("started", "outcome", "ok", "ms", "count")
# Jobs whose history is read at once, and the seconds that one may take.
READS_AT_ONCE, READ_SECONDS = 8, 300
COLUMNS = [
    "job",
    "success",
    "runs",
    "failed",
    "lost",
    "bad",
    "refused",
    "skipped",
    "p50 ms",
    "p95 ms",
    "last run",
    "since",
]


@dataclass(frozen=True, slots=True)
class Statistics:
    job: str
    #: Runs that executed code of the job.
    runs: int
    #: Percent of those runs that were done with a good verdict, None without any.
    success: float | None
    #: Runs with the outcome `done` and a bad verdict.
    unhealthy: int
    failed: int
    lost: int
    refused: int
    skipped: int
    #: Milliseconds, by nearest rank.
    p50: int | None
    p95: int | None
    last: str
    #: Start of the period that is counted; it is no longer than rows of good runs are retained.
    since: str

    @property
    def good(self) -> int:
        return self.runs - self.failed - self.lost - self.unhealthy - self.refused


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", help="only this job (default: all)")
    parser.add_argument("--hours", type=float, default=HOURS, help="how many hours back (default: %(default)s)")
    parser.add_argument("--group", metavar="G", help="only the jobs of this group (default: all)")
    parser.add_argument("--bad", action="store_true", help="only jobs with runs that were not good")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    if not 0 < args.hours <= MAX_HOURS:
        raise CommandError(
            Exit.WRONG_USE,
            f"--hours {args.hours:g} is out of range; it must be above 0 and at most {MAX_HOURS}, a year",
        )
    declared_jobs.require_group(args.group)
    jobs = [find_declared(args.job)] if args.job else declared_jobs.jobs().values()
    jobs = [job for job in jobs if args.group in (None, job.group)]
    with options.open_cloud(args, reading=True) as cloud:
        found = sorted(statistics_of(cloud, jobs, timedelta(hours=args.hours)), key=_worst_first)
        now = cloud.clock.now()
    shown = [each for each in found if each.good < each.runs or not args.bad]
    if args.json:
        output.document([asdict(each) for each in shown])
        return Exit.DONE
    if shown:
        output.table(COLUMNS, [_row(each, now) for each in shown], spare=["skipped", "refused", "since", "last run"])
    print(_sums(found))
    return Exit.DONE


def statistics_of(cloud: Cloud, jobs: Iterable[DeclaredJob], period: timedelta) -> Iterator[Statistics]:
    """Yield the statistics of each job, in any order.

    The history of a job and a day is a partition of its own, which no call reads together with others: they are read
    concurrently.
    """
    read = partial(statistics, cloud, period=period)
    # Made before the threads that share it.
    _ = cloud.dynamodb
    for job, found in fan_out(read, jobs, width=READS_AT_ONCE, patience=READ_SECONDS, remaining=lambda: inf):
        if isinstance(found, Overdue):
            raise CommandError(Exit.FAILED, f"the history of {job.name} was not read within {READ_SECONDS} s")
        if isinstance(found, Exception):
            raise found
        yield found


def statistics(cloud: Cloud, job: DeclaredJob, period: timedelta) -> Statistics:
    """Read the history rows of the period, one query a day.

    Rows of failures are retained longer than those of good runs. They are counted only as far back as both exist:
    otherwise the success rate of every old job would be too low.
    """
    now, retained = cloud.clock.now(), retention.read(job.retention).completed
    since = now - min(period, retained.age)
    good, counts, durations, last = 0, Counter[str](), list[int](), ""
    for row in ended(cloud, job, since, attributes_read=READ):
        at = clock.parse(row["started"])
        if at < since:
            break
        kind = "unhealthy" if row["outcome"] == "done" and not row["ok"] else row["outcome"]
        counts[kind] += row.get("count", 1)
        if row["outcome"] in EXECUTED:
            last = last or row["started"]
            durations += [row["ms"]] if "ms" in row else []
        good += row["ok"]
        if good >= retained.count:
            since = at
            break
    return _statistics(job.name, counts, sorted(durations), last, since)


def percentile(ordered: Sequence[int], percent: int) -> int | None:
    """The percentile by nearest rank, which is one of the values.

    None without values.
    """
    return ordered[ceil(len(ordered) * percent / 100) - 1] if ordered else None


def _statistics(job: str, counts: Counter[str], durations: Sequence[int], last: str, since: datetime) -> Statistics:
    runs = counts["unhealthy"] + sum(counts[word] for word in EXECUTED)
    return Statistics(
        job=job,
        runs=runs,
        success=round(100 * counts["done"] / runs, 1) if runs else None,
        unhealthy=counts["unhealthy"],
        failed=counts["failed"],
        lost=counts["lost"],
        refused=counts["refused"],
        skipped=counts.total() - runs,
        p50=percentile(durations, 50),
        p95=percentile(durations, 95),
        last=last,
        since=clock.iso(since),
    )


def _worst_first(each: Statistics) -> tuple[float, str]:
    return (each.success if each.success is not None else 101, each.job)


def _sums(shown: Sequence[Statistics]) -> str:
    """Sum the runs of all jobs.

    `3 jobs, 120 runs: 110 good, 6 failed, 1 lost, 2 bad, 1 refused`
    """
    words = ("good", "failed", "lost", "unhealthy", "refused")
    sums = ((word.replace("unhealthy", "bad"), sum(getattr(each, word) for each in shown)) for word in words)
    runs = counted(sum(each.runs for each in shown), "run")
    return f"{counted(len(shown), 'job')}, {runs}: {', '.join(f'{count:,} {word}' for word, count in sums)}"


def _row(each: Statistics, now: datetime) -> list[Any]:
    rate = "" if each.success is None else f"{each.success:g} %"
    return [
        each.job,
        (rate, "green" if each.success is None or each.success >= GOOD_RATE else "red"),
        each.runs,
        each.failed,
        each.lost,
        each.unhealthy,
        each.refused,
        each.skipped,
        each.p50,
        each.p95,
        output.age(each.last, now),
        output.to_minute(each.since),
    ]
