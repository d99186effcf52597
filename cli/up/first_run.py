"""The first runs of `up`.

Every site check through its schedule, and a job that crashes into the dead letters.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cli.run_report import FAILURES
from cli.unreachable import read_or_report
from cli.up.follow import HistoryFollower
from local.scheduler.ticker import Ticker
from shared import clock
from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.job import manifest
from shared.job.definition import Job
from shared.job.outcome import verdict_word
from shared.run import status_view
from shared.run.firing import Firing

GROUP = "sites"
CRASH = "crash"
# Seconds without the end of a run until the wait is given up; with all retries the sample crash takes about 10 s.
PATIENCE = 60.0
# Seconds until the wait says what it waits for, and again after as many.
REMINDER = 15.0
POLL = 0.25


@dataclass
class FirstRun:
    """Fires the jobs, waits for their runs and holds what they left."""

    cloud: Cloud
    ticker: Ticker
    jobs: dict[str, Job]
    report: Callable[[str], None]
    #: The minute whose ticks were fired.
    since: datetime = field(init=False)
    #: History rows of the runs, by job.
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    dead_letter: dict[str, Any] | None = None
    #: Seconds that start-up took: where it was slow, the runs are given as long.
    patience: float = 0.0

    @property
    def checks(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.group == GROUP and job.schedules()]

    @property
    def missing(self) -> list[str]:
        """Names of the jobs that have not ended."""
        waiting = [job.name for job in self.checks if job.name not in self.rows]
        return waiting + ([CRASH] if CRASH in self.jobs and not self._crashed() else [])

    def fire(self) -> None:
        """Fire all site checks for this minute, and the sample crash."""
        # From the start of the minute: an `up` just before may have run its ticks already; then those runs are shown.
        self.since = self.cloud.clock.now().replace(second=0, microsecond=0)
        for job in self.checks:
            self.ticker.fire(self.cloud.names.function(job.name), self.since)
        if CRASH in self.jobs:
            firing = Firing(CRASH, self.since, id=f"up-{uuid.uuid4()}", correlation_id=uuid.uuid4().hex)
            # Asynchronously, like every schedule: so Lambda retries its crashes as on AWS.
            self.cloud.functions.invoke(
                FunctionName=self.cloud.names.function(CRASH),
                InvocationType="Event",
                Payload=json.dumps({"firing": firing.data()}),
            )

    def wait(self) -> bool:
        """Wait until all runs have ended.

        False if none ends for too long.
        """
        crash = [self.jobs[CRASH]] if CRASH in self.jobs else []
        follower = HistoryFollower(self.cloud, [*self.checks, *crash], self.since)
        ended = reminded = time.monotonic()
        while self.missing and (now := time.monotonic()) < ended + max(PATIENCE, self.patience):
            for row in read_or_report(follower.new_rows, "the history"):
                self.rows.setdefault(row["job"], []).append(row)
                self.report(run_line(row))
                ended = reminded = now
            if now >= reminded + REMINDER:
                self.report(f"waiting for {', '.join(self.missing)}")
                reminded = now
            self.dead_letter = next(iter(read_or_report(self._find_dead_letters, "the dead letters")), None)
            time.sleep(POLL)
        return not self.missing

    def statuses(self) -> dict[str, dict[str, Any]]:
        """The status keys that these runs have written.

        One for each host, or one for a job without hosts.
        """
        shown = status_view.read(self.cloud, manifest.of(self.checks))
        start = clock.iso(self.since)
        return {key: status for key, status in shown.items() if str(status.get("at", "")) >= start}

    def _crashed(self) -> bool:
        """Whether the sample job was dead-lettered, or refused by a gate."""
        ended = self.rows.get(CRASH, [])
        return self.dead_letter is not None or any(row["outcome"] not in FAILURES for row in ended)

    def _find_dead_letters(self) -> list[dict[str, Any]]:
        start = clock.iso(self.since)
        letters = (
            letter for letter in store.dead_letters(self.cloud, store.DeadLetterFilter(job=CRASH)) if letter.at >= start
        )
        return [letter.as_dict() for letter in letters]


def run_line(row: dict[str, Any]) -> str:
    """One line about a finished run."""
    counts = ", ".join(f"{count} {name}" for name, count in row.get("counts", {}).items() if count)
    what = row.get("note") or counts
    verdict = verdict_word(row["outcome"], bool(row.get("ok")))
    attempt = f", attempt {row['attempt']}" if row.get("attempt", 1) > 1 else ""
    return f"{row['job']}{attempt}: {verdict} in {row.get('ms', 0)} ms" + (f", {what}" if what else "")
