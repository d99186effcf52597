"""Follow runs as they end, by polling the history of every job."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from cli.run_rows import started_since
from shared.aws.cloud import Cloud
from shared.job.definition import Job

# A row is stored under its run's start and written at the end: it can appear this much later than its position.
LONGEST_RUN = timedelta(minutes=16)


class HistoryFollower:
    """Returns each history row of runs since a time once."""

    def __init__(self, cloud: Cloud, jobs: Iterable[Job], since: datetime) -> None:
        self.cloud = cloud
        self.jobs = [job.name for job in jobs]
        self.since = since
        self.seen: set[str] = set()

    def new_rows(self) -> list[dict[str, Any]]:
        start = max(self.since, self.cloud.clock.now() - LONGEST_RUN)
        rows = [row for job in self.jobs for row in started_since(self.cloud, job, start) if row["sk"] not in self.seen]
        self.seen |= {row["sk"] for row in rows}
        return sorted(rows, key=lambda row: str(row["sk"]))
