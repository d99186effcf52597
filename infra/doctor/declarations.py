"""Declarations of jobs that are accepted and rarely meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from infra.expressions import longest_pause
from infra.finding import Finding, warning
from shared.job.definition import Job
from shared.job.validation import where

CHECK = "declaration"
# Seconds; a shorter time between ticks than the timeout makes ticks wait for the lease.
MINUTE = 60


def check(jobs: Iterable[Job]) -> Iterator[Finding]:
    for job in jobs:
        if job.grace is not None and job.schedules() and job.grace >= longest_pause(job) > MINUTE:
            yield warning(
                CHECK,
                where(type(job)),
                f"its grace of {job.grace} s is longer than the {longest_pause(job)} s between two ticks: "
                "a late tick runs beside the next",
                "declare a shorter grace",
            )
