"""What `up` shows: the site checks fired through their rules, and a crash on its way to the dead letters."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cli.commands.run import BAD_ENDS
from cli.up.follow import Watch
from local.scheduler.ticker import Ticker
from shared import clock
from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.job import manifest
from shared.job.definition import Job
from shared.run import status_view
from shared.run.firing import Firing

GROUP = "sites"
CRASH = "crash"
# Retries and all it takes about 10 s; what isn't there by then is not coming.
PATIENCE = 60.0
POLL = 0.25


@dataclass
class Tour:
    """`since`: the minute that was fired. rows: what the runs came to, by job. letter: the crash's dead letter."""

    cloud: Cloud
    ticker: Ticker
    jobs: dict[str, Job]
    report: Callable[[str], None]
    since: datetime = field(init=False)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    letter: dict[str, Any] | None = None

    @property
    def checks(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.group == GROUP and job.schedules()]

    @property
    def missing(self) -> list[str]:
        """What has not ended, by name."""
        waiting = [job.name for job in self.checks if job.name not in self.rows]
        return waiting + ([CRASH] if CRASH in self.jobs and not self._crashed() else [])

    def fire(self) -> None:
        """Every site check's rule, for this minute, and the sample crash as a tick of its own."""
        # From the minute's start on: where its ticks are done already, by an `up` just before, these are their runs.
        self.since = self.cloud.clock.now().replace(second=0, microsecond=0)
        for job in self.checks:
            self.ticker.fire(self.cloud.names.function(job.name), self.since)
        if CRASH in self.jobs:
            firing = Firing(CRASH, self.since, id=f"up-{uuid.uuid4()}", correlation_id=uuid.uuid4().hex)
            # Asynchronously, as everything is fired: so its deaths come back as they do on AWS.
            self.cloud.functions.invoke(
                FunctionName=self.cloud.names.function(CRASH),
                InvocationType="Event",
                Payload=json.dumps({"firing": firing.data()}),
            )

    def wait(self, patience: float = PATIENCE) -> bool:
        """Until everything has ended; whether it did in time."""
        crash = [self.jobs[CRASH]] if CRASH in self.jobs else []
        watch = Watch(self.cloud, [*self.checks, *crash], self.since)
        until = time.monotonic() + patience
        while self.missing and time.monotonic() < until:
            for row in watch.new():
                self.rows.setdefault(row["job"], []).append(row)
                self.report(told(row))
            self.letter = self._letter()
            time.sleep(POLL)
        return not self.missing

    def board(self) -> dict[str, dict[str, Any]]:
        """The status keys that this tour has written: of each host, or of the job where it keeps none."""
        shown = status_view.read(self.cloud, manifest.of(self.checks))
        start = clock.iso(self.since)
        return {key: status for key, status in shown.items() if str(status.get("at", "")) >= start}

    def _crashed(self) -> bool:
        """It is in the dead letters, or a gate kept it out."""
        ended = self.rows.get(CRASH, [])
        return self.letter is not None or any(row["outcome"] not in BAD_ENDS for row in ended)

    def _letter(self) -> dict[str, Any] | None:
        start = clock.iso(self.since)
        letters = (
            letter for letter in store.dead_letters(self.cloud, store.DeadLetterFilter(job=CRASH)) if letter.at >= start
        )
        return next((letter.as_dict() for letter in letters), None)


def told(row: dict[str, Any]) -> str:
    """One finished run, in a line."""
    counts = ", ".join(f"{count} {name}" for name, count in row.get("counts", {}).items() if count)
    what = row.get("note") or counts
    verdict = "bad" if row["outcome"] == "done" and not row.get("ok") else row["outcome"]
    attempt = f", attempt {row['attempt']}" if row.get("attempt", 1) > 1 else ""
    return f"{row['job']}{attempt}: {verdict} in {row.get('ms', 0)} ms" + (f", {what}" if what else "")
