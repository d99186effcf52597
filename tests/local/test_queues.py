"""Batches of queues as on Lambda."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.engine.queues import failed_identifiers
from tests.local.conftest import Account, eventually

REPORT = """
    import json

    def handle(event, context):
        for record in event["Records"]:
            print("got", json.dumps([record["body"], record["attributes"]]))
        return json.loads(event["Records"][0]["body"])["answer"]
"""


def consuming(account: Account, retries: int = 2, hidden: int = 1) -> tuple[str, str]:
    """A queue with a mapping and its dead-letter queue; `hidden` is the visibility timeout in seconds."""
    dead = account.queue("dead")
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": retries})
    arn = account.queue("work", VisibilityTimeout=str(hidden), RedrivePolicy=redrive)
    account.function(REPORT)
    account.client("lambda").create_event_source_mapping(
        FunctionName="job", EventSourceArn=arn, FunctionResponseTypes=["ReportBatchItemFailures"], BatchSize=10
    )
    return arn, dead


def got(account: Account) -> list[Any]:
    return [json.loads(line.removeprefix("got ")) for line in account.log() if line.startswith("got ")]


@pytest.mark.parametrize("answer", ["nonsense", {"batchItemFailures": [{"itemIdentifier": ""}]}, []])
def test_a_malformed_response_fails_the_whole_batch(account: Account, answer: Any) -> None:
    work, dead = consuming(account, retries=1)
    body = json.dumps({"answer": answer})
    account.client("sqs").send_message(QueueUrl=account.url(work), MessageBody=body)
    assert account.receive(dead, seconds=15)["Body"] == body


def test_a_message_that_succeeded_is_gone(account: Account) -> None:
    work, dead = consuming(account, hidden=10)
    account.client("sqs").send_message(QueueUrl=account.url(work), MessageBody='{"answer": {"batchItemFailures": []}}')
    eventually(lambda: got(account))
    eventually(lambda: account.waiting(work) == 0)
    assert account.waiting(dead) == 0


def test_a_dead_letter_has_its_source_queue(account: Account) -> None:
    dead = account.queue("dead")
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 1})
    work = account.queue("work", VisibilityTimeout="0", RedrivePolicy=redrive)
    account.function(REPORT)
    account.client("lambda").create_event_source_mapping(FunctionName="job", EventSourceArn=dead)
    sqs = account.client("sqs")
    sqs.send_message(QueueUrl=account.url(work), MessageBody='{"answer": null}')
    for _ in range(2):
        sqs.receive_message(QueueUrl=account.url(work))
    _, attributes = eventually(lambda: got(account))[0]
    assert attributes["DeadLetterQueueSourceArn"] == work


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (None, set()),
        ({}, set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "a"}]}, {"a"}),
        ({"batchItemFailures": [{"itemIdentifier": "stranger"}]}, None),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, None),
        ({"batchItemFailures": [{"id": "a"}]}, None),
        ({"batchItemFailures": ["a"]}, None),
        ({"batchItemFailures": "a"}, None),
        ("text", None),
        ([], None),
    ],
)
def test_a_response_fails_the_named_messages_or_all(answer: Any, failed: set[str] | None) -> None:
    assert failed_identifiers(answer, {"a", "b"}) == failed
