"""Ticks whose local time a clock change skips or repeats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from infra.finding import Finding, warning
from shared.job.definition import Job
from shared.job.schedule import UTC_ZONE, Schedule
from shared.job.validation import where

CHECK = "clock-change"
PERIOD = timedelta(days=2 * 365)
# Findings of one schedule; a schedule of every minute has hundreds.
NAMED = 4


def check(jobs: Iterable[Job], now: datetime) -> Iterator[Finding]:
    """Two years from `now`."""
    for job in jobs:
        for schedule in job.schedules():
            if schedule.zone != UTC_ZONE:
                yield from _of_schedule(job, schedule, now)


def _of_schedule(job: Job, schedule: Schedule, now: datetime) -> Iterator[Finding]:
    skipped, repeated = [], []
    for local, zone in local_ticks(schedule, now):
        back = local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
        if back.replace(tzinfo=None) != local:
            skipped.append(local)
        elif local.replace(tzinfo=zone).utcoffset() != local.replace(tzinfo=zone, fold=1).utcoffset():
            repeated.append(local)
    fires = f"{where(type(job))}: {schedule}"
    if skipped:
        yield warning(
            CHECK,
            fires,
            f"local times that do not exist have no tick: {_named(skipped)}",
            "choose a time outside of the hour that the clock change skips, or UTC, if one missed day matters",
        )
    if repeated:
        yield warning(
            CHECK,
            fires,
            f"local times that occur twice have one tick, at the first: {_named(repeated)}",
            "choose a time outside of the repeated hour, or UTC, if the time between two ticks matters",
        )


def local_ticks(schedule: Schedule, now: datetime) -> Iterator[tuple[datetime, ZoneInfo]]:
    """Local times of the expression around each clock change of two years."""
    from cronsim import CronSim

    zone = ZoneInfo(schedule.zone)
    for day in _changes(zone, now):
        start = day - timedelta(days=1)
        for local in CronSim(schedule.unix, start):
            if local >= day + timedelta(days=2):
                break
            yield local, zone


def _changes(zone: ZoneInfo, now: datetime) -> Iterator[datetime]:
    """Local midnights of the days with another offset than the day before."""
    day = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    end = day + PERIOD
    while day < end:
        following = day + timedelta(days=1)
        if day.replace(tzinfo=zone).utcoffset() != following.replace(tzinfo=zone).utcoffset():
            yield day
        day = following


def _named(times: list[datetime]) -> str:
    unique = sorted(set(times))
    more = f" and {len(unique) - NAMED} more" if len(unique) > NAMED else ""
    return ", ".join(f"{time:%Y-%m-%d %H:%M}" for time in unique[:NAMED]) + more
