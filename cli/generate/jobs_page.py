"""docs/reference/jobs.md: one line for each job."""

from __future__ import annotations

from collections.abc import Iterable

from cli.generate import markdown
from cli.job_description import BY_HAND, fires, short_guarantee
from shared.advised_commands import without_stage
from shared.job.definition import Job

INTRODUCTION = f"""# Jobs

Every job with its group, its schedule (UTC, unless a time zone is given) or queue, and its guarantee.
`{without_stage("describe", "JOB")}` prints retries, permissions and settings of a job, and what to do when it fails.
"""
COLUMNS = ["job", "group", "schedule or queue", "purpose", "guarantee"]


def page(jobs: Iterable[Job]) -> str:
    return markdown.page(INTRODUCTION, markdown.table(COLUMNS, map(_row, jobs)))


def _row(job: Job) -> list[str]:
    started_by = fires(job)
    start = started_by if started_by == BY_HAND else f"`{started_by}`"
    return [f"`{job.name}`", job.group, start, job.purpose(), short_guarantee(job)]
