"""Move messages of consumers' dead-letter queues to the collector's queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from functions.operations._dead_letter_source import TOO_OFTEN
from shared import clock
from shared.dead_letters.letter import MESSAGE_ATTRIBUTE
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
        for message in messages:
            error = f"received too often by {queue}"
            send.send_dead_letter_for_event(
                cloud, job, TOO_OFTEN, error, message["Body"], _redriven(message), _sent(message)
            )
            cloud.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    return moved


def _redriven(message: Mapping[str, Any]) -> str:
    """Return the sort key of the redriven dead letter, or ""."""
    return str(message.get("MessageAttributes", {}).get(MESSAGE_ATTRIBUTE, {}).get("StringValue", ""))


def _sent(message: Mapping[str, Any]) -> str:
    return clock.iso(datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC))
