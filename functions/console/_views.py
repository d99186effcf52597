"""Read jobs for the console: pages, counts, and runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from functions.console._models import JobPage, JobSummary, Run, RunPage, Stats
from functions.console._problems import DAY_OUTSIDE
from shared import clock, tables
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.http import cursor as cursors
from shared.http.problem import INVALID_CURSOR, Problem
from shared.job import schedule
from shared.job.manifest import Entry
from shared.job.outcome import verdict_word
from shared.run import status_view
from shared.store import keys, table

HISTORY_DAYS = 30
# Attributes of a history row that are shown; its sort key is the run id.
RUN_FIELDS = frozenset(Run.model_fields) - {"run", "verdict"}
JOBS = "jobs"


def jobs(cloud: Cloud, entries: Mapping[str, Entry], limit: int, cursor: str | None) -> JobPage:
    """Read a page of jobs, sorted by id.

    cursor: that of the page before. Raises Problem for another one.
    """
    after = cursors.decode(JOBS, cursor) if cursor else ""
    ids = sorted((entry["id"], name) for name, entry in entries.items() if entry["id"] > after)
    page = ids[:limit]
    items = status_view.own_items(cloud, {name: entries[name] for _, name in page})
    now = cloud.clock.now()
    shown = [_job(name, entries[name], items.get(name, {}), now) for _, name in page]
    return JobPage(jobs=shown, next=cursors.encode(JOBS, page[-1][0]) if len(ids) > limit else None)


def stats(cloud: Cloud, entries: Mapping[str, Entry]) -> Stats:
    """Count the jobs, by status and by group, and their runs."""
    items = status_view.own_items(cloud, entries)
    statuses = Counter(_status(items.get(name, {})) for name in entries)
    verdicts = Counter(_verdict(items.get(name, {})) for name in entries)
    groups = Counter(entry["group"] for entry in entries.values())
    runs = sum(int(item.get("fence", 0)) for item in items.values())
    return Stats(
        jobs=len(entries),
        statuses=dict(sorted(statuses.items())),
        verdicts=dict(sorted(verdicts.items())),
        groups=dict(groups),
        runs=runs,
    )


def runs(cloud: Cloud, name: str, day: str | None, limit: int, cursor: str | None) -> RunPage:
    """Read a page of the runs of one day, newest first.

    cursor: that of the page before. Raises Problem for another one, and for a day outside of the history.
    """
    now = cloud.clock.now()
    # A listing that was begun before midnight continues its day.
    wanted = _day(day or (_day_of_cursor(name, cursor) if cursor else None), now)
    partition, listing = keys.runs(name, wanted), f"{_runs_of(name)}{wanted}"
    after = cursors.decode(listing, cursor) if cursor else ""
    rows, following = table.query_page(
        cloud,
        tables.STATE,
        "pk = :pk",
        {":pk": partition},
        start=attributes.row({"pk": partition, "sk": after}) if after else None,
        ScanIndexForward=False,
        Limit=limit,
    )
    # TTL deletes late: an expired row may still be there.
    current = [row for row in rows if row.get("expires", now.timestamp()) >= now.timestamp()]
    last = attributes.plain(following).get("sk")
    next_page = cursors.encode(listing, last) if last else None
    return RunPage(day=wanted, runs=[_run(row) for row in current], next=next_page)


def _runs_of(name: str) -> str:
    """Prefix of the names of a job's listings; their day follows."""
    return f"runs {name} "


def _day_of_cursor(name: str, cursor: str) -> str:
    listing = cursors.listing_of(cursor)
    if not listing.startswith(_runs_of(name)):
        raise Problem(INVALID_CURSOR, f"the cursor is none of the runs of {name}")
    return listing.removeprefix(_runs_of(name))


def _run(row: Mapping[str, Any]) -> Run:
    verdict = verdict_word(row["outcome"], row.get("ok", True)) if "outcome" in row else None
    return Run(run=row["sk"], verdict=verdict, **{field: row[field] for field in RUN_FIELDS & row.keys()})


def _job(name: str, entry: Entry, item: Mapping[str, Any], now: datetime) -> JobSummary:
    paused = "paused" in item
    schedules = [schedule.read(text) for text in entry["schedules"]]
    upcoming = min((next(each.after(now)) for each in schedules), default=None)
    return JobSummary(
        id=entry["id"],
        name=name,
        schedule=", ".join(entry["schedules"]) or None,
        status=_status(item),
        verdict=_verdict(item),
        last_run=status_view.view(item).get("startedAt"),
        next_run=clock.iso(upcoming) if upcoming and not paused else None,
        run_count=int(item.get("fence", 0)),
    )


def _status(item: Mapping[str, Any]) -> str:
    """`running`, `paused`, or the verdict of the last run."""
    if "holder" in item:
        return "running"
    if "paused" in item:
        return "paused"
    return _verdict(item)


def _verdict(item: Mapping[str, Any]) -> str:
    """The last run's outcome, or `bad` for a bad finding.

    `never` before the first run.
    """
    status = item.get("status") or {}
    return verdict_word(str(status.get("outcome", "never")), status.get("ok", True))


def _day(text: str | None, now: datetime) -> date:
    """Parse the day (default: today).

    Raises Problem for a day outside of the history.
    """
    try:
        day = date.fromisoformat(text) if text else now.date()
    except ValueError:
        raise Problem(DAY_OUTSIDE, "day is no date; use yyyy-mm-dd") from None
    if not timedelta(0) <= now.date() - day <= timedelta(days=HISTORY_DAYS + 1):
        raise Problem(DAY_OUTSIDE, f"day must be one of the last {HISTORY_DAYS}")
    return day
