"""What queues gave up, carried from each consumer's dead-letter queue to the one that is collected."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from functions.operations._dead_letter_source import TOO_OFTEN
from shared import clock
from shared.dead_letters.letter import MESSAGE_ATTRIBUTE
from shared.run import send

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

AT_ONCE = 10
# Seconds. Our queues wait for 20 where nothing else is said; without waiting at all SQS asks some of its servers alone.
WAIT = 1


def carry(cloud: Cloud, job: str, queue: str, most: int) -> int:
    """As many as there are, or `most`; how many. A crash after a letter was sent leaves its message, which makes the
    same letter again: its instant is the message's own."""
    url, carried = cloud.names.queue_url(queue), 0
    while carried < most:
        answer = cloud.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=min(AT_ONCE, most - carried),
            WaitTimeSeconds=WAIT,
            MessageSystemAttributeNames=["SentTimestamp"],
            MessageAttributeNames=["All"],
        )
        found: list[Any] = answer.get("Messages", [])
        if not found:
            return carried
        for message in found:
            send.send_dead_letter_for_event(
                cloud, job, TOO_OFTEN, f"given up by {queue}", message["Body"], _letter(message), _sent(message)
            )
            cloud.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            carried += 1
    return carried


def _letter(message: Mapping[str, Any]) -> str:
    return str(message.get("MessageAttributes", {}).get(MESSAGE_ATTRIBUTE, {}).get("StringValue", ""))


def _sent(message: Mapping[str, Any]) -> str:
    return clock.iso(datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC))
