"""Shapes of `heatmap` and `crontab`."""

from __future__ import annotations

from typing_extensions import TypedDict


class StartsOfDay(TypedDict):
    """The jobs that start in each minute of a UTC day."""

    #: The date.
    day: str
    #: Names of jobs by minute, as `04:15`; minutes without a start are absent.
    minutes: dict[str, list[str]]


class CrowdedMinutes(TypedDict):
    """Minutes that too many jobs share."""

    #: First date that was checked.
    day: str
    #: Number of days that were checked.
    days: int
    #: Jobs that may share a minute.
    most: int
    #: Names of jobs by minute, as `04:15`; empty if the check passes.
    crowded: dict[str, list[str]]


class CrontabLine(TypedDict):
    """A line of a crontab."""

    #: Name of the job.
    job: str
    #: Time zone of the schedule, the value of CRON_TZ.
    zone: str
    #: The five fields.
    schedule: str
    #: Time limit of the run in seconds.
    timeout_s: int
    #: The whole line.
    line: str
