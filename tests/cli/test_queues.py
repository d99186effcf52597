"""`queues` shows the current depth of each queue."""

from __future__ import annotations

from shared import clock
from shared.aws import attributes
from shared.aws.cloud import Cloud
from tests.cli.conftest import Call

AWS = ("--aws", "--stage", "test")


def test_a_queue_is_shown_with_its_depth_its_lag_and_its_errors(call: Call, aws: Cloud) -> None:
    for name in ("demo:letters", "demo:letters-dlq"):
        aws.sqs.create_queue(QueueName=aws.names.queue(name))
    aws.sqs.send_message(QueueUrl=aws.names.queue_url("demo:letters"), MessageBody="{}")
    item = {"pk": "mailbox:last", "sk": "-", "messages_done": 30, "messages_failed": 10, "lag": 1500}
    aws.dynamodb.put_item(TableName=aws.names.table("state"), Item=attributes.row(item))
    shown = {each["queue"]: each for each in call("queues", "--json", *AWS).json}
    letters = shown["demo:letters"]
    assert (letters["job"], letters["waiting"], letters["dead"], letters["lag"]) == ("mailbox", 1, 0, 1500)
    assert (letters["done"], letters["failed"], letters["errors"]) == (30, 10, 25.0)
    assert "firings" not in shown
    assert clock.milliseconds(aws.clock.now()) > 0


def test_the_table_names_the_queues(call: Call, aws: Cloud) -> None:
    aws.sqs.create_queue(QueueName=aws.names.queue("demo:letters"))
    assert "demo:letters" in call("queues", *AWS).out
