"""Runs as they end, whichever way they were started: read from the history of every job."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.names import STATE
from shared.job.definition import Job

# A row is filed under its run's start and written at its end, so it can turn up this much later than its place.
LONGEST_RUN = timedelta(minutes=16)
DAY = timedelta(days=1)


class Watch:
    """`new()` has each row of history once, from `since` on, oldest first."""

    def __init__(self, cloud: Cloud, jobs: Iterable[Job], since: datetime) -> None:
        self.cloud = cloud
        self.names = [job.name for job in jobs]
        self.since = since
        self.seen: set[str] = set()

    def new(self) -> list[dict[str, Any]]:
        now = self.cloud.clock.now()
        start = max(self.since, now - LONGEST_RUN)
        found = [row for name in self.names for row in self._rows(name, start, now) if row["sk"] not in self.seen]
        self.seen |= {row["sk"] for row in found}
        return sorted(found, key=lambda row: str(row["sk"]))

    def _rows(self, job: str, start: datetime, now: datetime) -> list[dict[str, Any]]:
        days = {start.date(), now.date()}
        items = [
            item
            for day in sorted(days)
            for item in self.cloud.dynamodb.query(
                TableName=self.cloud.names.table(STATE),
                KeyConditionExpression="pk = :pk AND sk >= :start",
                ExpressionAttributeValues=attributes.row(
                    {":pk": f"runs#{job}#{day:%Y-%m-%d}", ":start": f"{start:%Y%m%dT%H%M%S}"}
                ),
            )["Items"]
        ]
        # A row without an outcome counts duplicates of a run that is still at work.
        return [row for row in map(attributes.plain, items) if "outcome" in row]
