"""A failed attempt is answered once, whatever fails around its answer."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from shared.archetypes.consumer import Consumer, Message
from shared.aws.cloud import Cloud
from shared.aws.names import DEAD
from shared.job import retry_policies
from shared.job.idempotency import natural
from shared.job.outcome import Rejected
from shared.messages import message
from shared.messages.answered_attempts import AnsweredAttempts, answer_now
from shared.messages.payload import Payload
from shared.messages.run_batch import run_batch
from shared.messages.tenant import Tenant
from shared.run.context import RunContext
from shared.run.firing import Batch
from tests.conftest import Calls, Lines, VirtualClock, waiting
from tests.support.failing_calls import failing, named, nth

QUEUE = "demo:rings"


class Ring(Payload):
    text: str = "hello"


class Ringer(Consumer[Ring]):
    """Ring at a door that nobody opens."""

    name = "ringer"
    queue = QUEUE
    retry = retry_policies.WEBHOOK
    idempotency = natural("nobody minds a second ring")

    def __init__(self) -> None:
        self.error: Exception = OSError("nobody opens")
        self.rings: list[int] = []

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        return True

    def handle(self, run: RunContext, message: Message[Ring]) -> None:
        self.rings.append(message.attempt)
        raise self.error


@dataclass
class Door:
    """A queue that delivers each message until it is acknowledged."""

    cloud: Cloud
    clock: VirtualClock
    log: Lines
    job: Ringer
    ids: Any = field(default_factory=lambda: itertools.count(1))
    waiting: list[dict[str, Any]] = field(default_factory=list)

    def put(self, **attributes: Any) -> None:
        payload = Ring(organization_id="org_1", correlation_id="c")
        self.add({"MessageBody": json.dumps({"type": "ring", "payload": payload.to_wire()}), **attributes})

    def add(self, sent: dict[str, Any]) -> None:
        attributes = {
            name: {"dataType": each["DataType"], "stringValue": each["StringValue"]}
            for name, each in sent.get("MessageAttributes", {}).items()
        }
        self.waiting.append(
            {
                "messageId": f"id-{next(self.ids)}",
                "receiptHandle": "handle",
                "body": sent["MessageBody"],
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1772452800000"},
                "messageAttributes": attributes,
                "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{self.cloud.names.queue(QUEUE)}",
            }
        )

    def deliver(self, *, acknowledged: bool = True) -> None:
        """Deliver what waits; a message that is not acknowledged stays."""
        batch, self.waiting = self.waiting, []
        self.clock.move(minutes=10)
        try:
            failures = run_batch(self.job, Batch("ringer", tuple(batch)), self.cloud, self.log, 60)
        except ConnectionClosedError:
            # The invocation failed: the whole batch comes back.
            failures = [record["messageId"] for record in batch]
        for record in batch:
            if record["messageId"] in failures or not acknowledged:
                count = int(record["attributes"]["ApproximateReceiveCount"]) + 1
                again = {**record["attributes"], "ApproximateReceiveCount": str(count)}
                self.waiting.append({**record, "attributes": again})

    def deliver_all(self) -> list[dict[str, Any]]:
        """Deliver until nothing waits; return the dead letters."""
        for _ in range(20):
            if not self.waiting:
                break
            self.deliver()
            assert len(self.waiting) < 10
        assert self.waiting == []
        return [each["dead"] for each in dead_letters(self.cloud)]


def dead_letters(cloud: Cloud) -> list[dict[str, Any]]:
    bodies = waiting(cloud, cloud.names.queue(DEAD).removeprefix(cloud.names.of("")))
    # Equal bodies are one dead letter.
    return [json.loads(text) for text in dict.fromkeys(json.dumps(body, sort_keys=True) for body in bodies)]


@pytest.fixture
def door(cloud: Cloud, clock: VirtualClock, log: Lines) -> Door:
    made = Door(cloud, clock, log, Ringer())
    cloud.sqs.create_queue(QueueName=cloud.names.queue(QUEUE))

    def note(params: Any, context: Any, **_: Any) -> None:
        context["kept"] = json.loads(json.dumps(params))

    def keep(context: Any, **_: Any) -> None:
        if context["kept"]["QueueUrl"] == cloud.names.queue_url(QUEUE):
            made.add(context["kept"])

    for client in (cloud.sqs, cloud.sqs_new_trace):
        client.meta.events.register("before-parameter-build.sqs.SendMessage", note)
        # Before a lost reply: the message is in its queue then.
        client.meta.events.register_first("after-call.sqs.SendMessage", keep)
    return made


FIVE = [1, 2, 3, 4, 5]


def test_an_unwritten_status_or_history_does_not_bring_the_batch_back(door: Door, log: Lines) -> None:
    door.put()
    with failing(door.cloud, named("dynamodb:UpdateItem", "dynamodb:PutItem")):
        assert len(door.deliver_all()) == 1
    assert door.job.rings == FIVE
    assert log.said("ringer_status_not_written")


def test_an_answered_message_that_comes_back_is_not_handled_again(door: Door, log: Lines) -> None:
    door.put()
    door.deliver(acknowledged=False)
    assert len(door.waiting) == 2
    assert len(door.deliver_all()) == 1
    assert door.job.rings == FIVE
    assert [line["attempt"] for line in log.said("ringer_message_repeated")] == [1]


def test_two_copies_of_one_attempt_make_it_once(door: Door) -> None:
    door.put()
    # The copy is sent, and its sender sees an error: the original comes back and sends another copy.
    with failing(door.cloud, named("sqs:SendMessage"), reply_lost=True):
        door.deliver()
    door.deliver()
    assert len(door.deliver_all()) == 1
    assert door.job.rings == FIVE


def test_a_dead_letter_that_is_sent_twice_is_one(door: Door) -> None:
    door.job.error = Rejected("no such door")
    door.put()
    with failing(door.cloud, named("sqs:SendMessage"), reply_lost=True):
        door.deliver()
    door.deliver()
    assert door.waiting == []
    [letter] = dead_letters(door.cloud)
    assert letter["dead"]["reason"] == "rejected"
    assert door.job.rings == [1]


def test_a_dead_letter_names_the_run_that_failed_also_where_a_later_one_sends_it(door: Door, log: Lines) -> None:
    door.cloud.environment = {"NIGHTSHIFT_CODE_VERSION": "old"}
    door.job.error = Rejected("no such door")
    door.put()
    with failing(door.cloud, named("sqs:SendMessage"), reply_lost=True):
        door.deliver()
    door.cloud.environment = {"NIGHTSHIFT_CODE_VERSION": "new"}
    door.deliver()
    first, second = (json.dumps(each) for each in waiting(door.cloud, DEAD))
    # As text: the collector recognises the second by its hash.
    assert first == second
    failed = log.said("ringer_message_rejected")[0]
    assert (
        json.loads(first)["dead"].items()
        >= {
            "run": failed["jobId"],
            "message_id": "id-1",
            "tenant": "org_1",
            "correlation_id": "c",
            "attempts": 1,
            "version": "old",
        }.items()
    )


def test_a_dead_letter_after_all_attempts_has_their_number_and_the_first_failure(door: Door) -> None:
    door.put()
    [letter] = door.deliver_all()
    assert (letter["attempts"], letter["first_failed_at"][:16]) == (5, "2026-03-02T12:10")


@pytest.mark.parametrize("reply_lost", [False, True])
def test_no_failing_call_adds_an_attempt_or_a_dead_letter(door: Door, reply_lost: bool) -> None:
    with failing(door.cloud, lambda *_: False) as counted:
        door.put()
        door.deliver()
    one = len(counted.made)
    door.deliver_all()
    for number in range(1, one + 1):
        door.job.rings.clear()
        door.put()
        with failing(door.cloud, nth(number), reply_lost=reply_lost) as fault:
            door.deliver()
        assert fault.failed
        assert len(door.deliver_all()) == 1, fault.failed
        assert door.job.rings == FIVE, fault.failed


def test_a_message_that_comes_for_the_first_time_costs_no_read(door: Door) -> None:
    door.put()
    calls = Calls(door.cloud)
    door.deliver()
    assert "dynamodb:GetItem" not in calls.made


def test_another_senders_attribute_answers_for_no_other_content(cloud: Cloud, log: Lines) -> None:
    def read(body: str, **attributes: str) -> Message:
        texts = {name: {"stringValue": text} for name, text in attributes.items()}
        return message.read({"messageId": "b", "body": body, "messageAttributes": texts})

    attempts = AnsweredAttempts(cloud, "ringer", log)
    first = read("one", origin="a")
    attempts.record(first, answer_now(cloud, "no", 30))
    attempts.mark_sent(first)
    found = attempts.find(first)
    assert found is not None
    assert (found.sent, found.delay) == (True, 30)
    assert attempts.find(read("two", origin="a")) is None
    assert attempts.find(read("one", origin="a", attempt="2")) is None


def test_an_earlier_answer_stays(cloud: Cloud, log: Lines) -> None:
    attempts = AnsweredAttempts(cloud, "ringer", log)
    again = message.read({"messageId": "a", "body": "one", "attributes": {"ApproximateReceiveCount": "2"}})
    attempts.record(again, answer_now(cloud, "the first", 30))
    assert attempts.record(again, answer_now(cloud, "the second", reason="rejected")).error == "the first"
