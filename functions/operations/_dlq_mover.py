"""Move messages of consumers' dead-letter queues to the collector's queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from functions.operations._dead_letter_source import TOO_OFTEN
from shared import clock
from shared.messages.message import Message, read
from shared.run import send

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# SQS's limit for one ReceiveMessage.
BATCH = 10
# Seconds of long polling: shorter than the queues' 20, and without any SQS asks only some of its servers.
WAIT = 1


def move(cloud: Cloud, job: str, queue: str, limit: int, in_time: Callable[[], bool]) -> int:
    """Move up to `limit` messages, while it is `in_time`; return their number.

    A crash between sending and deleting leaves the message, which makes the same dead letter again: it has the
    message's own timestamp.
    """
    url, moved = cloud.names.queue_url(queue), 0
    while moved < limit and in_time():
        answer = cloud.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=min(BATCH, limit - moved),
            WaitTimeSeconds=WAIT,
            MessageSystemAttributeNames=["SentTimestamp"],
            MessageAttributeNames=["All"],
        )
        messages: list[Any] = answer.get("Messages", [])
        if not messages:
            return moved
        for received in messages:
            message = _parse(received)
            send.send_dead_letter_for_event(
                cloud,
                job,
                TOO_OFTEN,
                f"received too often by {queue}",
                message.text,
                message.letter,
                clock.iso(datetime.fromtimestamp(message.sent / 1000, UTC)),
                # Neither run nor version: the run that received it last left no answer.
                message.subject("", message.attempt, ""),
            )
            cloud.sqs.delete_message(QueueUrl=url, ReceiptHandle=message.handle)
            moved += 1
    return moved


def _parse(received: Mapping[str, Any]) -> Message:
    """Parse a message of ReceiveMessage, which names its fields differently from Lambda."""
    texts = {
        name: {"dataType": attribute["DataType"], "stringValue": attribute["StringValue"]}
        for name, attribute in received.get("MessageAttributes", {}).items()
        if "StringValue" in attribute
    }
    return read(
        {
            "messageId": received["MessageId"],
            "receiptHandle": received["ReceiptHandle"],
            "body": received["Body"],
            "attributes": received["Attributes"],
            "messageAttributes": texts,
        }
    )
