"""Queue of web evaluations: one row a task.

A waiting task is found through an index by host and due time.

Row: pk is the task's id, sk `-`; host, url, state (queued, running, done, failed), attempt, answered, created; while it
waits, queue (the host) and due (a timestamp, UTC); then run, result (JSON text) or error, status, finished, expires.

From the end of an attempt until the host's artifact and status include it: unreported (the host), ended, and report.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.http.sites import host_of
from shared.store import table
from shared.store.keys import ONLY, RowKey
from shared.tables import TTL, WEBEVALS

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

QUEUED, UNREPORTED = (index.name for index in WEBEVALS.indexes)
# Reports that one run reads of a host; the next run reads the rest.
MOST_UNREPORTED = 100
RETENTION = timedelta(days=90)
# What artifact and status need of an ended attempt; at least at and note.
Report = Mapping[str, Any]
CLAIM = "SET #due = :until, #run = :run, #state = :running, attempt = :next"
CLAIM_NAMES = {"#due": "due", "#run": "run", "#state": "state"}


@dataclass(frozen=True, slots=True)
class Task:
    """A queued evaluation of one URL."""

    id: str
    host: str
    url: str
    due: str
    #: Attempts that were started.
    attempt: int
    #: Attempts that ended with a bad answer.
    answered: int = 0

    @property
    def key(self) -> str:
        """Idempotency key.

        It stays the same after a missing answer, as the site may have done the work.

        It changes after a bad answer, since a site that stores keys would repeat that answer.
        """
        return f"{self.id}-{self.answered}" if self.answered else self.id


def queue(cloud: Cloud, host: str, url: str, task_id: str = "") -> str:
    """Queue an evaluation of `url` by the site at `host`.

    Returns the task's id. An existing id changes nothing. Raises ValueError for an invalid URL.
    """
    host_of(url)
    task_id = task_id or uuid.uuid4().hex
    now = clock.iso(cloud.clock.now())
    row = {"host": host, "url": url, "state": "queued", "attempt": 0, "answered": 0, "created": now}
    table.put_if_absent(cloud, WEBEVALS, {"pk": task_id, "sk": ONLY, "queue": host, "due": now, **row})
    return task_id


class Webevals:
    """The queue as one run uses it.

    A task belongs to the run that claimed it, until it is due again.
    """

    def __init__(self, cloud: Cloud, run: str) -> None:
        self.cloud = cloud
        self.run = run

    def due(self, host: str, most: int) -> list[Task]:
        """Read the oldest due tasks of a host from the index.

        The index may lag, the claim decides.
        """
        rows, _ = table.query_page(
            self.cloud,
            WEBEVALS,
            "#queue = :host AND #due <= :now",
            {":host": host, ":now": clock.iso(self.cloud.clock.now())},
            names={"#queue": "queue", "#due": "due"},
            IndexName=QUEUED,
            Limit=most,
        )
        return [Task(row["pk"], host, row["url"], row["due"], row["attempt"]) for row in rows]

    def claim(self, task: Task, until: datetime) -> Task | None:
        """Claim the task; None where another run was faster.

        The task of an interrupted run is due at `until`.
        """
        end = clock.iso(until)
        values = {":until": end, ":due": task.due, ":run": self.run, ":running": "running", ":next": task.attempt + 1}
        try:
            # The due time that was read from the index is still there: no run has claimed the task since.
            row = table.update(
                self.cloud,
                WEBEVALS,
                _key(task),
                CLAIM,
                values,
                condition="#due = :due",
                names=CLAIM_NAMES,
                # A run claims a task once only.
                won=lambda row: (row.get("run"), row.get("due")) == (self.run, end),
                return_new=True,
            )
        except table.ConditionFailed:
            return None
        return Task(task.id, task.host, row["url"], row["due"], row["attempt"], row["answered"])

    def done(self, task: Task, result: str, report: Report) -> bool:
        return self._end(task, {"state": "done", "result": result}, report)

    def failed(self, task: Task, report: Report) -> bool:
        return self._end(task, {"state": "failed", "error": report["note"]}, report)

    def retry(self, task: Task, due: datetime, report: Report) -> bool:
        """Queue the task again.

        The report has the status of a bad answer; none if there was no answer.
        """
        answered = task.answered + ("status" in report)
        values = {"state": "queued", "error": report["note"], "answered": answered, "due": clock.iso(due)}
        return self._settle(task, {**values, **_unreported(task, report)})

    def defer(self, task: Task, due: datetime) -> bool:
        """Queue the task again without counting the attempt."""
        return self._settle(task, {"state": "queued", "attempt": task.attempt - 1, "due": clock.iso(due)})

    def unreported(self, host: str) -> list[tuple[str, Report]]:
        """Read ids and reports of attempts that no artifact includes.

        The oldest first. Their run was interrupted, or its write failed. A later attempt at a task replaces the
        report of an earlier one.
        """
        rows, _ = table.query_page(
            self.cloud,
            WEBEVALS,
            "#unreported = :host",
            {":host": host},
            names={"#unreported": "unreported"},
            IndexName=UNREPORTED,
            Limit=MOST_UNREPORTED,
        )
        return [(row["pk"], row["report"]) for row in rows]

    def reported(self, task_id: str, report: Report) -> None:
        """Remove the report, unless a later attempt replaced it."""
        table.update_if(
            self.cloud,
            WEBEVALS,
            RowKey(task_id, ONLY),
            "REMOVE #unreported, #ended, #report",
            {":report": dict(report)},
            "#report = :report",
            names={"#unreported": "unreported", "#ended": "ended", "#report": "report"},
        )

    def _end(self, task: Task, values: Mapping[str, Any], report: Report) -> bool:
        now = self.cloud.clock.now()
        end = {"finished": clock.iso(now), TTL: int((now + RETENTION).timestamp()), **_unreported(task, report)}
        return self._settle(task, {**values, **end}, " REMOVE #queue, #due", {"#queue": "queue", "#due": "due"})

    def _settle(
        self, task: Task, values: Mapping[str, Any], rest: str = "", more: Mapping[str, str] | None = None
    ) -> bool:
        """Write the end of the claim; False if another run holds it.

        Nothing is written then.
        """
        given = {name: value for name, value in values.items() if value is not None}
        return table.update_if(
            self.cloud,
            WEBEVALS,
            _key(task),
            "SET " + ", ".join(f"#{name} = :{name}" for name in given) + rest,
            {":run": self.run, **{f":{name}": value for name, value in given.items()}},
            "#run = :run",
            names={"#run": "run", **{f"#{name}": name for name in given}, **(more or {})},
        )


def _unreported(task: Task, report: Report) -> dict[str, Any]:
    """Return the attributes that the write of an end includes."""
    return {"status": report.get("status"), "unreported": task.host, "ended": report["at"], "report": dict(report)}


def _key(task: Task) -> RowKey:
    return RowKey(task.id, ONLY)
