"""A consumer's bad batch is not ok, and each of its failed messages has a history row of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.archetypes.consumer import Consumer, Defer, Message
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import NO_RETRY, retry_policies
from shared.job.idempotency import natural
from shared.job.outcome import Rejected
from shared.messages.payload import Id, Payload
from shared.messages.run_batch import run_batch
from shared.messages.tenant import Tenant
from shared.run.firing import Batch
from shared.store import failure_index
from shared.tables import STATE
from tests.conftest import NOON, Lines, letters

ARN = "arn:aws:sqs:us-east-1:123456789012:"


class Parcel(Payload):
    parcel_id: Id
    address: str


class Post(Consumer[Parcel]):
    """Deliver parcels."""

    name = "post"
    queue = "demo:parcels"
    retry = retry_policies.LLM
    idempotency = natural("a parcel is delivered once")

    def admits(self, run: Any, tenant: Tenant) -> bool:
        return tenant.id != "org_9"

    def handle(self, run: Any, message: Message[Parcel]) -> None:
        match message.payload.address:
            case "nowhere":
                raise Rejected("there is no such address")
            case "later":
                raise Defer(60)
            case "river":
                raise OSError("the bridge is closed")


class Bin(Consumer):
    """Read anything."""

    name = "bin"
    queue = "demo:anything"
    idempotency = natural("reading changes nothing")

    def handle(self, run: Any, message: Message) -> None:
        raise OSError("no lid")


def deliver(job: Consumer[Any], cloud: Cloud, log: Lines, *bodies: Any, receives: int = 1) -> list[str]:
    cloud.sqs.create_queue(QueueName=cloud.names.queue(job.queue or ""))
    records = tuple(
        {
            "messageId": f"m{number}",
            "receiptHandle": "handle",
            "body": body if isinstance(body, str) else json.dumps(body),
            "attributes": {"ApproximateReceiveCount": str(receives), "SentTimestamp": "1772452790000"},
            "eventSourceARN": ARN + cloud.names.queue(job.queue or ""),
        }
        for number, body in enumerate(bodies)
    )
    return run_batch(job, Batch(job.name, records), cloud, log, 60)


def parcel(number: int, address: str, organization: str = "org_1") -> dict[str, Any]:
    data = {"organizationId": organization, "parcelId": f"p{number}", "address": address, "correlationId": f"c{number}"}
    return {"type": "parcel", "payload": data}


def rows(cloud: Cloud, prefix: str) -> list[dict[str, Any]]:
    items = cloud.dynamodb.scan(TableName=cloud.names.table(STATE.name))["Items"]
    found = [row for row in map(attributes.plain, items) if row["pk"].startswith(prefix)]
    return sorted(found, key=lambda row: str(row["sk"]))


def test_each_failed_message_has_a_row_and_the_batch_is_not_ok(cloud: Cloud, log: Lines) -> None:
    bodies = (
        parcel(0, "home"),
        parcel(1, "river"),
        parcel(2, "nowhere"),
        parcel(3, "home", "org_9"),
        parcel(4, "later"),
    )
    assert deliver(Post(), cloud, log, *bodies) == []
    river, nowhere, foreign = sorted(rows(cloud, "runs#post"), key=lambda row: str(row["entityId"]))
    shown = ("tenant", "entityId", "attempt", "outcome", "ok", "note", "messageId", "correlationId")
    assert [river[name] for name in shown] == [
        *("org_1", "p1", 1, "failed", False, "OSError: the bridge is closed", "m1", "c1")
    ]
    assert (nowhere["entityId"], nowhere["final"], nowhere["note"]) == (
        *("p2", True, "Rejected: there is no such address"),
    )
    assert (foreign["entityId"], foreign["tenant"], foreign["note"]) == (
        *("p3", "org_9", "InvalidOrganization: Invalid organization org_9"),
    )
    assert [each["entityId"] for each in failure_index.of_tenant(cloud, "org_9", NOON)] == ["p3"]
    assert {each["entityId"] for each in failure_index.failed_runs(cloud, NOON)} >= {"p1", "p2", "p3"}
    [status] = rows(cloud, "post:last")
    assert (status["ok"], status["status"]["ok"], status["streak"]) == (False, False, 1)
    assert status["status"]["note"].startswith("3 of 5 messages failed: InvalidOrganization")
    assert "lastGood" not in status
    assert (status["messages_done"], status["messages_failed"]) == (1, 3)


def test_a_good_batch_is_ok_and_has_no_row(cloud: Cloud, log: Lines) -> None:
    deliver(Post(), cloud, log, parcel(0, "home"), parcel(1, "later"))
    assert rows(cloud, "runs#post") == []
    [status] = rows(cloud, "post:last")
    assert (status["ok"], status["streak"]) == (True, 0)


def test_a_failed_message_is_logged_with_its_entity_duration_and_stack(cloud: Cloud, log: Lines) -> None:
    deliver(Post(), cloud, log, parcel(0, "home"), parcel(1, "river"))
    [good], [bad] = log.said("post_message_complete"), log.said("post_message_failed")
    named = {"job": "post", "organizationId": "org_1"}
    assert good.items() >= {**named, "entityId": "p0", "correlationId": "c0", "status": "done"}.items()
    assert bad.items() >= {**named, "entityId": "p1", "correlationId": "c1", "step": "error", "attempt": 1}.items()
    assert "duration" in good
    assert "duration" in bad
    assert "the bridge is closed" in bad["stack"]


@pytest.mark.parametrize("body", ["[" * 1000, '{"type": "parcel", "type": "parcel"}', '{"type": NaN}', "text"])
def test_a_body_that_is_refused_is_a_dead_letter_at_once_with_the_reason(cloud: Cloud, log: Lines, body: str) -> None:
    assert deliver(Post(), cloud, log, body) == []
    [letter] = letters(cloud, "firings-dlq")
    assert letter["dead"]["reason"] == "rejected"
    assert letter["dead"]["error"].startswith("parcel: the body ")
    [row] = rows(cloud, "runs#post")
    assert row["note"] == f"InvalidPayload: {letter['dead']['error']}"


def test_a_consumer_without_payload_has_its_policy_too(cloud: Cloud, log: Lines) -> None:
    job = Bin()
    assert job.retry.delays
    assert deliver(job, cloud, log, "anything") == []
    [line] = log.said("bin_message_failed")
    assert line["attempt"] == 1
    url = cloud.names.queue_url("demo:anything")
    attributes = cloud.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessagesDelayed"] == "1"


def test_without_a_policy_the_queue_delivers_a_failed_message_again(cloud: Cloud, log: Lines) -> None:
    class Once(Bin):
        """Read anything, once."""

        name = "once"
        retry = NO_RETRY

    assert deliver(Once(), cloud, log, "anything") == ["m0"]
    assert deliver(Once(), cloud, log, "anything", receives=5) == []
    [letter] = letters(cloud, "firings-dlq")
    assert letter["dead"]["reason"] == "all 5 receives used up"
