"""Loop detection as on Lambda."""

from __future__ import annotations

import json

import pytest

from local.lambda_runtime import loop_detection
from tests.local.conftest import Account, eventually

AGAIN = """
    import boto3

    functions, queues = boto3.client("lambda"), boto3.client("sqs")

    def handle(event, context):
        print("run")
        if "Records" in event:
            for record in event["Records"]:
                url = record["body"]
                queues.send_message(QueueUrl=url, MessageBody=url)
        elif "queue" in event:
            queues.send_message(QueueUrl=event["queue"], MessageBody="x")
        else:
            functions.invoke(FunctionName="job", InvocationType="Event", Payload="{}")
"""


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three runs: sixteen take long on a busy machine."""
    assert loop_detection.MAX_RUNS == 16
    monkeypatch.setattr(loop_detection, "MAX_RUNS", 3)


def runs(account: Account) -> int:
    return account.log().count("run")


def test_a_function_that_feeds_its_own_queue_is_stopped(account: Account) -> None:
    dead = account.queue("dead")
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 1})
    work = account.queue("work", VisibilityTimeout="5", RedrivePolicy=redrive)
    account.function(AGAIN)
    # A cold start on a busy machine may take longer than the message is hidden.
    account.invoke(event={"queue": account.url(account.queue("aside"))})
    account.client("lambda").create_event_source_mapping(FunctionName="job", EventSourceArn=work)
    account.client("sqs").send_message(QueueUrl=account.url(work), MessageBody=account.url(work))
    assert account.receive(dead, seconds=20)["Body"] == account.url(work)
    assert runs(account) == 1 + 3


def test_a_function_that_invokes_itself_is_stopped_and_recorded(account: Account) -> None:
    failures = account.queue("failures")
    account.function(AGAIN)
    account.client("lambda").put_function_event_invoke_config(
        FunctionName="job", DestinationConfig={"OnFailure": {"Destination": failures}}
    )
    account.start()
    account.receive(failures, seconds=20)
    assert runs(account) == 3


def test_a_function_may_be_allowed_to_loop(account: Account) -> None:
    account.function(AGAIN)
    functions = account.client("lambda")
    functions.put_function_recursion_config(FunctionName="job", RecursiveLoop="Allow")
    account.start()
    eventually(lambda: runs(account) > 3, 20)
    functions.delete_function(FunctionName="job")


def test_a_message_keeps_the_chain_that_sent_it(account: Account) -> None:
    account.function(AGAIN)
    out = account.queue("out")
    account.invoke(event={"queue": account.url(out)})
    header = account.receive(out)["Attributes"]["AWSTraceHeader"]
    assert header.startswith("Lineage=")
    assert header.endswith(":1")
