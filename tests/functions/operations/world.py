"""Jobs that fail on request, their queues, and the dead letters that result."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from functions.operations.dead_letters import DeadLetters
from shared import clock
from shared.archetypes.consumer import Consumer, Message
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.dead_letters.letter import DeadLetter
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.manifest import Entry
from shared.job.outcome import Done, Outcome, Rejected
from shared.job.retry import explicit
from shared.messages.run_batch import run_batch
from shared.run import firing
from shared.run.context import RunContext
from shared.run.firing import Batch, Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import NOON, Lines, VirtualClock, letters, waiting
from tests.functions.operations.conftest import ENTRIES

INTAKE = cast(Entry, {**ENTRIES["sweep"], "key": "intake", "queue": "demo:intake", "schedules": []})


class Sweep(Job):
    """Sweep due rows."""

    name = "sweep"
    timeout = 60
    by_name = True
    retry = explicit(30, 60)
    idempotency = natural("a swept row is not found again")

    def __init__(self) -> None:
        self.mended: set[str] = set()
        self.worked: list[str] = []
        self.watched: Callable[[], None] = lambda: None

    def work(self, run: RunContext) -> Outcome:
        self.worked.append(run.firing.id or run.target)
        self.watched()
        if not {"*", run.firing.id, run.target} & self.mended:
            raise RuntimeError("the disk is full")
        return Done({"swept": 1})


class Intake(Consumer):
    """A consumer that rejects messages until they are mended."""

    name = "intake"
    queue = "demo:intake"
    timeout = 60
    idempotency = natural("it is only looked at")

    def __init__(self) -> None:
        self.mended: set[str] = set()
        self.taken: list[str] = []
        self.fault: Callable[[str], str] = lambda text: "" if {"*", text} & self.mended else "no such customer 4711"

    def handle(self, run: RunContext, message: Message) -> None:
        self.taken.append(message.text)
        if fault := self.fault(message.text):
            raise Rejected(fault)


@dataclass
class World:
    cloud: Cloud
    log: Lines
    sweep: Sweep = field(default_factory=Sweep)
    intake: Intake = field(default_factory=Intake)
    collector: DeadLetters = field(default_factory=DeadLetters)
    sent: int = 0

    @property
    def queue(self) -> str:
        return self.cloud.names.queue_url("demo:intake")

    def kill(self, firing: Firing) -> None:
        """Run a firing until its attempts are used up and its dead letter is stored."""
        run(self.sweep, firing, self.cloud, self.log)
        self.settle()

    def reject(self, *bodies: str) -> None:
        for body in bodies:
            self.cloud.sqs.send_message(QueueUrl=self.queue, MessageBody=body)
        self.settle()

    def deliver(self, body: str, receives: int = 1, letter: str = "") -> list[str]:
        """Deliver messages to intake with this receive count; return the ids of messages to retry."""
        return self._take(self.record(body, "demo:intake", letter, receives))

    def settle(self) -> list[RunReport]:
        """Run firings, consume messages and store dead letters until all queues are empty."""
        reports: list[RunReport] = []
        while True:
            firings, messages = waiting(self.cloud), self._messages()
            dead = letters(self.cloud, "firings-dlq")
            if not firings and not messages and not dead:
                return reports
            for body in firings:
                fired = firing.parse_firing(body["firing"], self.cloud.clock.now())
                reports.append(run(self.sweep, fired, self.cloud, self.log))
            for message in messages:
                self._pass()
                self._take(message)
            self.collect(*dead)

    def collect(self, *bodies: Any, queue: str = "firings-dlq", letter: str = "") -> None:
        """Store dead letters."""
        for body in bodies:
            self._pass()
            record = self.record(body if isinstance(body, str) else json.dumps(body), queue, letter)
            assert run_batch(self.collector, Batch("dead-letters", (record,)), self.cloud, self.log, 60) == []

    def _take(self, message: dict[str, Any]) -> list[str]:
        return run_batch(self.intake, Batch("intake", (message,)), self.cloud, self.log, 60)

    def letters(self) -> list[DeadLetter]:
        return list(store.dead_letters(self.cloud))

    def letter(self) -> DeadLetter:
        [found] = self.letters()
        return found

    def change(self, letter: DeadLetter, **values: Any) -> None:
        """Set attributes of a row without a condition."""
        self.cloud.dynamodb.update_item(
            TableName=self.cloud.names.table("state"),
            Key=attributes.row({"pk": f"dead#{letter.job}", "sk": letter.key}),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
            ExpressionAttributeNames={f"#{name}": name for name in values},
            ExpressionAttributeValues=attributes.row({f":{name}": value for name, value in values.items()}),
        )

    def _pass(self) -> None:
        """Move the clock by a millisecond, so that no two dead letters have the same timestamp."""
        if isinstance(self.cloud.clock, VirtualClock):
            self.cloud.clock.move(milliseconds=1)
        else:
            time.sleep(0.001)

    def _messages(self) -> list[dict[str, Any]]:
        got = self.cloud.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages", [])
        for message in got:
            self.cloud.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        named = [(message["Body"], message.get("MessageAttributes") or {}) for message in got]
        keys = [(body, given["dead-letter"]["StringValue"] if given else "") for body, given in named]
        return [self.record(body, "demo:intake", key) for body, key in keys]

    def record(self, body: str, queue: str, letter: str, receives: int = 1) -> dict[str, Any]:
        self.sent += 1
        return {
            "messageId": f"m{self.sent}",
            "receiptHandle": "r",
            "body": body,
            "attributes": {
                "SentTimestamp": str(clock.milliseconds(self.cloud.clock.now())),
                "ApproximateReceiveCount": str(receives),
            },
            "messageAttributes": {"dead-letter": {"stringValue": letter, "dataType": "String"}} if letter else {},
            "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{self.cloud.names.queue(queue)}",
        }


def tick(number: int = 0, **given: Any) -> Firing:
    """Return the tick of one of a hundred targets, all of the same minute."""
    return replace(Firing("sweep", NOON, target=f"shop-{number:02d}", correlation_id="c"), **given)
