"""Queued web evaluations: one row a task. A waiting row carries the host it waits for and when it is due.

Row: pk the task's id, sk `-`; host, url, state (queued, running, done, failed), attempt, answered, created; while it
waits, queue (the host) and due (an instant, UTC); then run, result (JSON text) or error, status, finished, expires.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws import attributes
from shared.http.sites import host_of
from shared.redaction import LONG, excerpt
from shared.tables import TTL, WEBEVALS

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

INDEX = WEBEVALS.indexes[0].name
KEPT = timedelta(days=90)
ONLY = "-"


@dataclass(frozen=True, slots=True)
class Task:
    """attempt: how often it was begun. answered: how many of those ended with an answer, and not a good one."""

    id: str
    host: str
    url: str
    due: str
    attempt: int
    answered: int = 0

    @property
    def key(self) -> str:
        """The idempotency key. After no answer it stays: the site may have done the work, and then says so again.

        After a bad answer it changes, since a site that remembers keys would repeat that answer.
        """
        return f"{self.id}-{self.answered}" if self.answered else self.id


def queue(cloud: Cloud, host: str, url: str, task_id: str = "") -> str:
    """Ask for an evaluation of `url` by the site at `host`; returns the task's id. The same id again changes nothing.

    Raises ValueError for a URL that is none.
    """
    host_of(url)
    task_id = task_id or uuid.uuid4().hex
    now = clock.iso(cloud.clock.now())
    row = {"host": host, "url": url, "state": "queued", "attempt": 0, "answered": 0, "created": now}
    with suppress(cloud.ConditionalCheckFailed):
        cloud.dynamodb.put_item(
            TableName=cloud.names.table(WEBEVALS.name),
            Item=attributes.row({"pk": task_id, "sk": ONLY, "queue": host, "due": now, **row}),
            ConditionExpression="attribute_not_exists(pk)",
        )
    return task_id


class Webevals:
    """The tasks as one run sees them. A task belongs to the run that claimed it, until it is due again."""

    def __init__(self, cloud: Cloud, run: str) -> None:
        self.cloud = cloud
        self.run = run
        self.table = cloud.names.table(WEBEVALS.name)

    def due(self, host: str, most: int) -> list[Task]:
        """The eldest tasks of a host that are due, as the index has them: it may lag, the claim will tell."""
        answer = self.cloud.dynamodb.query(
            TableName=self.table,
            IndexName=INDEX,
            KeyConditionExpression="#queue = :host AND #due <= :now",
            ExpressionAttributeNames={"#queue": "queue", "#due": "due"},
            ExpressionAttributeValues=attributes.row({":host": host, ":now": clock.iso(self.cloud.clock.now())}),
            Limit=most,
        )
        found = map(attributes.plain, answer["Items"])
        return [Task(item["pk"], host, item["url"], item["due"], item["attempt"]) for item in found]

    def claim(self, task: Task, until: datetime) -> Task | None:
        """The task, ours until then; None where another run was faster. A run that dies leaves it due at `until`."""
        try:
            answer = self.cloud.dynamodb.update_item(
                TableName=self.table,
                Key=_key(task),
                UpdateExpression="SET #due = :until, #run = :run, #state = :running, attempt = :next",
                # What was read in the index: still due since the same instant, so claimed by nobody in between.
                ConditionExpression="#due = :due",
                ExpressionAttributeNames={"#due": "due", "#run": "run", "#state": "state"},
                ExpressionAttributeValues=attributes.row(
                    {
                        ":until": clock.iso(until),
                        ":due": task.due,
                        ":run": self.run,
                        ":running": "running",
                        ":next": task.attempt + 1,
                    }
                ),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
            item = attributes.plain(answer["Attributes"])
        except self.cloud.ConditionalCheckFailed as error:
            item = attributes.plain(error.response.get("Item"))
            # Ours all the same, where the first reply was lost. A run claims a task once only.
            if item.get("run") != self.run or item.get("due") != clock.iso(until):
                return None
        return Task(task.id, task.host, item["url"], item["due"], item["attempt"], item["answered"])

    def done(self, task: Task, result: str, status: int) -> bool:
        return self._end(task, {"state": "done", "result": result, "status": status})

    def failed(self, task: Task, error: str, status: int | None) -> bool:
        return self._end(task, {"state": "failed", "error": excerpt(error, LONG), "status": status})

    def again(self, task: Task, error: str, status: int | None, due: datetime) -> bool:
        """Back into the queue. `status` of a bad answer; None where none came."""
        answered = task.answered + (status is not None)
        values = {"state": "queued", "error": excerpt(error, LONG), "status": status, "answered": answered}
        return self._settle(task, {**values, "due": clock.iso(due)})

    def put_off(self, task: Task, due: datetime) -> bool:
        """Back into the queue, as if it had not been begun."""
        return self._settle(task, {"state": "queued", "attempt": task.attempt - 1, "due": clock.iso(due)})

    def _end(self, task: Task, values: Mapping[str, Any]) -> bool:
        now = self.cloud.clock.now()
        end = {"finished": clock.iso(now), TTL: int((now + KEPT).timestamp())}
        return self._settle(task, {**values, **end}, " REMOVE #queue, #due", {"#queue": "queue", "#due": "due"})

    def _settle(
        self, task: Task, values: Mapping[str, Any], rest: str = "", more: Mapping[str, str] | None = None
    ) -> bool:
        """False where the task is another run's by now: what this one found out is not written."""
        given = {name: value for name, value in values.items() if value is not None}
        try:
            self.cloud.dynamodb.update_item(
                TableName=self.table,
                Key=_key(task),
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in given) + rest,
                ConditionExpression="#run = :run",
                ExpressionAttributeNames={"#run": "run", **{f"#{name}": name for name in given}, **(more or {})},
                ExpressionAttributeValues=attributes.row({":run": self.run, **{f":{n}": v for n, v in given.items()}}),
            )
        except self.cloud.ConditionalCheckFailed:
            return False
        return True


def _key(task: Task) -> dict[str, Any]:
    return attributes.row({"pk": task.id, "sk": ONLY})
