"""Resent messages: a deferral is no failure, a retry is counted, and neither is early."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.archetypes.consumer import Consumer, Defer, Message
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import retry_policies
from shared.job.effect import InFlight
from shared.job.idempotency import natural
from shared.job.retry import RetryPolicy
from shared.messages import envelope
from shared.messages.payload import Payload
from shared.messages.run_batch import run_batch
from shared.messages.tenant import Tenant
from shared.run.context import RunContext
from shared.run.firing import Batch
from tests.conftest import Lines, VirtualClock, letters

QUEUE = "demo:calls"


class Call(Payload):
    text: str


class Caller(Consumer[Call]):
    """Call somebody."""

    name = "caller"
    queue = QUEUE
    retry = retry_policies.LLM
    idempotency = natural("nobody minds a second call")

    def __init__(self) -> None:
        self.calls = 0
        self.answers: Callable[[], None] = lambda: None

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        return True

    def handle(self, run: RunContext, message: Message[Call]) -> None:
        self.calls += 1
        self.answers()


@dataclass
class Line:
    """A queue of which every message is seen: what was sent is delivered when its delay is over."""

    cloud: Cloud
    clock: VirtualClock
    log: Lines
    job: Caller
    sent: list[dict[str, Any]] = field(default_factory=list)

    def put(self, text: str = "hello") -> None:
        payload = Call(organization_id="org_1", correlation_id="c", text=text)
        self.sent.append({"MessageBody": json.dumps({"type": "call", "payload": payload.to_wire()})})

    def deliver(self, receives: int = 1) -> list[str]:
        """The only one that waits, after its delay; ids of what must come back."""
        [message] = self.sent
        self.sent.clear()
        self.clock.move(seconds=message.get("DelaySeconds", 0))
        given = {
            name: {"dataType": each["DataType"], "stringValue": each["StringValue"]}
            for name, each in message.get("MessageAttributes", {}).items()
        }
        record = {
            "messageId": "m",
            "receiptHandle": "handle",
            "body": message["MessageBody"],
            "attributes": {"ApproximateReceiveCount": str(receives), "SentTimestamp": "1772452800000"},
            "messageAttributes": given,
            "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{self.cloud.names.queue(QUEUE)}",
        }
        return run_batch(self.job, Batch(self.job.name, (record,)), self.cloud, self.log, 60)


@pytest.fixture
def line(cloud: Cloud, clock: VirtualClock, log: Lines) -> Line:
    made = Line(cloud, clock, log, Caller())
    cloud.sqs.create_queue(QueueName=cloud.names.queue(QUEUE))

    def keep(params: Any, **_: Any) -> None:
        if params["QueueUrl"] == cloud.names.queue_url(QUEUE):
            made.sent.append(json.loads(json.dumps(params)))

    for client in (cloud.sqs, cloud.sqs_new_trace):
        client.meta.events.register("before-parameter-build.sqs.SendMessage", keep)
    return made


def wait(seconds: float, **more: Any) -> Callable[[], None]:
    def answers() -> None:
        raise Defer(seconds, **more)

    return answers


def test_a_deferral_of_hours_is_no_failure(line: Line, cloud: Cloud) -> None:
    line.put()
    line.job.answers = wait(777)
    for _ in range(40):
        assert line.deliver() == []
    assert line.sent[0]["DelaySeconds"] == 777
    assert line.sent[0]["MessageGroupId"] == "org_1"
    assert "attempt" not in line.sent[0]["MessageAttributes"]
    assert letters(cloud, "firings-dlq") == []
    line.job.answers = lambda: None
    assert line.deliver() == []
    assert line.sent == []
    assert line.job.calls == 41
    item = cloud.dynamodb.get_item(
        TableName=cloud.names.table("state"), Key=attributes.row({"pk": "caller:last", "sk": "-"}), ConsistentRead=True
    )["Item"]
    assert attributes.plain(item)["messages_failed"] == 0


def test_a_wait_that_is_longer_than_a_queue_can_delay_is_kept(line: Line, clock: VirtualClock) -> None:
    line.put()
    line.job.answers = wait(3600)
    line.deliver()
    began, line.job.answers = clock.now(), lambda: None
    while line.sent:
        assert line.deliver() == []
    assert line.job.calls == 2
    assert 3600 <= (clock.now() - began).total_seconds() < 3602


def test_after_a_day_a_deferral_counts_as_an_attempt_and_then_is_a_dead_letter(line: Line, cloud: Cloud) -> None:
    line.put()
    line.job.answers = wait(7200)
    while line.sent:
        assert line.deliver() == []
    # Twelve times in a day, and three attempts.
    assert line.job.calls == 12 + 3
    [letter] = letters(cloud, "firings-dlq")
    assert letter["dead"]["reason"] == "all 3 attempts used up"
    assert letter["dead"]["error"] == "Defer: deferred for 7200 s"


def test_another_sender_cannot_defer_a_message_for_years(line: Line) -> None:
    for said in ("2036-01-01T00:00:00.000Z", "soon", "2026-03-02T11:00:00.000Z"):
        line.put()
        line.sent[0]["MessageAttributes"] = {"not-before": {"DataType": "String", "StringValue": said}}
        line.deliver()
        assert line.sent == []
    assert line.job.calls == 3


def test_a_counted_deferral_is_an_attempt_and_the_next_one_is_no_sooner(line: Line, cloud: Cloud) -> None:
    line.put()
    line.job.answers = wait(300, counted=True)
    line.deliver()
    assert line.sent[0]["DelaySeconds"] == 300
    assert line.sent[0]["MessageAttributes"]["attempt"]["StringValue"] == "2"
    while line.sent:
        line.deliver()
    assert line.job.calls == 3
    assert len(letters(cloud, "firings-dlq")) == 1


def test_an_effect_that_another_run_is_at_is_waited_for(line: Line) -> None:
    def busy() -> None:
        raise InFlight("a call", 11)

    line.put()
    line.job.answers = busy
    assert line.deliver() == []
    assert line.sent[0]["DelaySeconds"] == 11


def test_what_waits_on_purpose_begins_a_chain_of_its_own_and_what_failed_goes_on_with_its_own(
    line: Line, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def look(request: Any, **_: Any) -> None:
        # botocore's headers are bytes once they are signed.
        trace = request.headers["X-Amzn-Trace-Id"]
        seen.append(trace.decode() if isinstance(trace, bytes) else trace)

    for client in (cloud.sqs, cloud.sqs_new_trace):
        client.meta.events.register("before-send.sqs.SendMessage", look)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "caller")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-0-1;Lineage=caller:15")
    line.put()
    line.job.answers = wait(60)
    line.deliver()
    line.job.answers = lambda: (_ for _ in ()).throw(OSError("gone"))
    line.deliver()
    assert ["Lineage" in trace for trace in seen] == [False, True]
    assert seen[0].startswith("Root=1-")


def test_a_message_without_room_for_its_next_attempt_keeps_its_policy_in_its_queue(
    line: Line, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden: list[int] = []
    monkeypatch.setattr(cloud.sqs, "change_message_visibility", lambda **call: hidden.append(call["VisibilityTimeout"]))
    monkeypatch.setattr(RetryPolicy, "jittered", RetryPolicy.delay)

    def put(size: int) -> None:
        line.sent.clear()
        line.put()
        line.put("x" * (size - len(line.sent.pop()["MessageBody"]) + len("hello")))

    line.job.answers = lambda: (_ for _ in ()).throw(OSError("gone"))
    put(envelope.MESSAGE_LIMIT)
    assert len(line.sent[0]["MessageBody"]) == envelope.MESSAGE_LIMIT
    assert line.deliver() == ["m"]
    assert line.sent == []
    assert hidden == [10]
    put(envelope.MESSAGE_LIMIT)
    assert line.deliver(receives=2) == ["m"]
    assert hidden == [10, 20]
    put(envelope.MESSAGE_LIMIT)
    assert line.deliver(receives=3) == []
    [letter] = letters(cloud, "firings-dlq")
    assert (letter["dead"]["reason"], letter["dead"]["error"]) == ("all 3 attempts used up", "OSError: gone")
    put(envelope.MESSAGE_LIMIT - envelope.ATTRIBUTE_RESERVE)
    assert line.deliver() == []
    assert line.sent[0]["MessageAttributes"]["attempt"]["StringValue"] == "2"
