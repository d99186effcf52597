"""Read jobs for the console: pages, counts, and runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from aws_lambda_powertools.event_handler.exceptions import BadRequestError

from functions.console._models import JobPage, JobSummary, Run, RunPage, Stats
from shared import clock, tables
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import schedule
from shared.job.manifest import Entry
from shared.run import status_view
from shared.store import keys, table

HISTORY_DAYS = 30
# Attributes of a history row that are shown; its sort key is the run id.
RUN_FIELDS = frozenset(Run.model_fields) - {"run"}


def jobs(cloud: Cloud, entries: Mapping[str, Entry], limit: int, cursor: str | None) -> JobPage:
    """Read a page of jobs, sorted by id.

    cursor: the last id of the page before.
    """
    ids = sorted((entry["id"], name) for name, entry in entries.items() if entry["id"] > (cursor or ""))
    page = ids[:limit]
    items = status_view.own_items(cloud, {name: entries[name] for _, name in page})
    now = cloud.clock.now()
    shown = [_job(name, entries[name], items.get(name, {}), now) for _, name in page]
    return JobPage(jobs=shown, next=page[-1][0] if len(ids) > limit else None)


def stats(cloud: Cloud, entries: Mapping[str, Entry]) -> Stats:
    """Count the jobs, by status and by group, and their runs."""
    items = status_view.own_items(cloud, entries)
    statuses = Counter(_status(items.get(name, {})) for name in entries)
    groups = Counter(entry["group"] for entry in entries.values())
    runs = sum(int(item.get("fence", 0)) for item in items.values())
    return Stats(jobs=len(entries), statuses=dict(sorted(statuses.items())), groups=dict(groups), runs=runs)


def runs(cloud: Cloud, name: str, day: str | None, limit: int, cursor: str | None) -> RunPage:
    """Read a page of the runs of one day, newest first.

    cursor: the last run id of the page before.
    """
    now = cloud.clock.now()
    wanted = _day(day, now)
    partition = keys.runs(name, wanted)
    rows, following = table.query_page(
        cloud,
        tables.STATE,
        "pk = :pk",
        {":pk": partition},
        start=attributes.row({"pk": partition, "sk": cursor}) if cursor else None,
        ScanIndexForward=False,
        Limit=limit,
    )
    # TTL deletes late: an expired row may still be there.
    current = [row for row in rows if row.get("expires", now.timestamp()) >= now.timestamp()]
    return RunPage(day=wanted, runs=[_run(row) for row in current], next=attributes.plain(following).get("sk"))


def _run(row: Mapping[str, Any]) -> Run:
    return Run(run=row["sk"], **{field: row[field] for field in RUN_FIELDS & row.keys()})


def _job(name: str, entry: Entry, item: Mapping[str, Any], now: datetime) -> JobSummary:
    paused = "paused" in item
    schedules = [schedule.read(text) for text in entry["schedules"]]
    upcoming = min((next(each.after(now)) for each in schedules), default=None)
    return JobSummary(
        id=entry["id"],
        name=name,
        schedule=", ".join(entry["schedules"]) or None,
        status=_status(item),
        last_run=status_view.view(item).get("startedAt"),
        next_run=clock.iso(upcoming) if upcoming and not paused else None,
        run_count=int(item.get("fence", 0)),
    )


def _status(item: Mapping[str, Any]) -> str:
    """`running`, `paused`, `never`, or the verdict of the last run.

    The verdict is its outcome, or `bad` for one that is done and found something bad.
    """
    if "holder" in item:
        return "running"
    if "paused" in item:
        return "paused"
    status = item.get("status") or {}
    return status_view.verdict(str(status.get("outcome", "never")), status.get("ok", True))


def _day(text: str | None, now: datetime) -> date:
    """Parse the day (default: today).

    Raises BadRequestError for a day outside of the history.
    """
    try:
        day = date.fromisoformat(text) if text else now.date()
    except ValueError:
        raise BadRequestError("day is no date; use yyyy-mm-dd") from None
    if not timedelta(0) <= now.date() - day <= timedelta(days=HISTORY_DAYS + 1):
        raise BadRequestError(f"day must be one of the last {HISTORY_DAYS}")
    return day
