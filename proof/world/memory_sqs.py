"""SQS in memory: delays, visibility, receive counts, redrive to a dead-letter queue."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from proof.world.aws_errors import client_error
from shared import clock

MAX_BYTES = 1024 * 1024
MAX_DELAY = 900
MAX_VISIBILITY = 43_200
MAX_BATCH = 10


@dataclass(slots=True)
class QueuedMessage:
    """A message in a queue."""

    id: str
    body: str
    attributes: dict[str, Any]
    group: str
    #: When it was sent first; a redrive keeps it.
    sent: datetime
    #: From when on it can be received.
    visible: datetime
    receives: int = 0
    first_received: datetime | None = None
    #: Of the last receive; an older one no longer works.
    handle: str = ""
    #: ARN of the queue from which it was redriven; empty without one.
    redriven_from: str = ""


@dataclass(slots=True)
class MemoryQueue:
    """One standard queue."""

    name: str
    arn: str
    visibility: int
    dead_letter_queue: str | None
    max_receives: int
    messages: dict[str, QueuedMessage] = field(default_factory=dict)


class MemorySqs:
    """All queues of a deployment.

    Requests and responses are those of boto3's client.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.queues: dict[str, MemoryQueue] = {}
        self._numbers = itertools.count(1)

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Perform an operation, such as `SendMessage`. Raises ClientError."""
        handler: Callable[[Mapping[str, Any]], dict[str, Any]] | None = getattr(self, f"_{operation}", None)
        if handler is None:
            raise NotImplementedError(f"SQS in memory does not have {operation}")
        return handler(request)

    def receive(self, name: str, count: int, visibility: int | None = None) -> list[QueuedMessage]:
        """Receive up to `count` messages, the oldest first.

        Those received too often are redriven.
        """
        queue, now = self.queues[name], self.now()
        received: list[QueuedMessage] = []
        for message in [each for each in queue.messages.values() if each.visible <= now]:
            if len(received) == count:
                break
            if queue.dead_letter_queue and message.receives >= queue.max_receives:
                self._redrive(queue, message)
                continue
            message.receives += 1
            message.first_received = message.first_received or now
            message.handle = f"handle-{next(self._numbers)}"
            message.visible = now + timedelta(seconds=queue.visibility if visibility is None else visibility)
            received.append(message)
        return received

    def delete(self, name: str, ids: Iterable[str]) -> None:
        for each in ids:
            self.queues[name].messages.pop(each, None)

    def next_visible(self, name: str) -> datetime | None:
        """When the next message can be received; None for an empty queue."""
        return min((message.visible for message in self.queues[name].messages.values()), default=None)

    def _redrive(self, queue: MemoryQueue, message: QueuedMessage) -> None:
        del queue.messages[message.id]
        assert queue.dead_letter_queue
        target = self.queues[queue.dead_letter_queue]
        message.receives, message.first_received, message.handle = 0, None, ""
        message.visible, message.redriven_from = self.now(), queue.arn
        target.messages[message.id] = message

    def _queue(self, operation: str, request: Mapping[str, Any]) -> MemoryQueue:
        name = request["QueueUrl"].rpartition("/")[2]
        if name not in self.queues:
            raise client_error(operation, "QueueDoesNotExist", f"The specified queue {name} does not exist.")
        return self.queues[name]

    def _SendMessage(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802 - AWS's names
        return {"MessageId": self._send("SendMessage", self._queue("SendMessage", request), request).id}

    def _SendMessageBatch(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        queue, entries = self._queue("SendMessageBatch", request), request["Entries"]
        if len(entries) > MAX_BATCH or len({entry["Id"] for entry in entries}) != len(entries) or not entries:
            raise client_error("SendMessageBatch", "TooManyEntriesInBatchRequest", "1 to 10 entries with own ids")
        if sum(len(entry["MessageBody"].encode()) for entry in entries) > MAX_BYTES:
            raise client_error("SendMessageBatch", "BatchRequestTooLong", "the entries have more than 1 MiB")
        sent = [(entry["Id"], self._send("SendMessageBatch", queue, entry)) for entry in entries]
        return {"Successful": [{"Id": name, "MessageId": message.id} for name, message in sent]}

    def _send(self, operation: str, queue: MemoryQueue, request: Mapping[str, Any]) -> QueuedMessage:
        body, delay = request["MessageBody"], request.get("DelaySeconds", 0)
        if len(body.encode()) > MAX_BYTES or not body:
            raise client_error(operation, "InvalidParameterValue", "a message has 1 byte to 1 MiB")
        if not 0 <= delay <= MAX_DELAY:
            raise client_error(operation, "InvalidParameterValue", f"DelaySeconds {delay} is not in 0 to {MAX_DELAY}")
        now = self.now()
        message = QueuedMessage(
            str(uuid.uuid4()),
            body,
            dict(request.get("MessageAttributes", {})),
            request.get("MessageGroupId", ""),
            now,
            now + timedelta(seconds=delay),
        )
        queue.messages[message.id] = message
        return message

    def _ReceiveMessage(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        queue = self._queue("ReceiveMessage", request)
        count = request.get("MaxNumberOfMessages", 1)
        messages = self.receive(queue.name, count, request.get("VisibilityTimeout"))
        return {"Messages": [_received(message) for message in messages]} if messages else {}

    def _DeleteMessage(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self._delete(self._queue("DeleteMessage", request), request["ReceiptHandle"])
        return {}

    def _DeleteMessageBatch(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        queue = self._queue("DeleteMessageBatch", request)
        for entry in request["Entries"]:
            self._delete(queue, entry["ReceiptHandle"])
        return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]]}

    def _delete(self, queue: MemoryQueue, handle: str) -> None:
        self.delete(queue.name, [each.id for each in queue.messages.values() if each.handle == handle])

    def _ChangeMessageVisibility(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        queue, seconds = self._queue("ChangeMessageVisibility", request), request["VisibilityTimeout"]
        if not 0 <= seconds <= MAX_VISIBILITY:
            raise client_error("ChangeMessageVisibility", "InvalidParameterValue", f"{seconds} s are not in 0 to 12 h")
        for message in queue.messages.values():
            if message.handle == request["ReceiptHandle"]:
                message.visible = self.now() + timedelta(seconds=seconds)
                return {}
        raise client_error("ChangeMessageVisibility", "InvalidParameterValue", "no message has this receipt handle")

    def _GetQueueAttributes(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        queue, now = self._queue("GetQueueAttributes", request), self.now()
        waiting = [message for message in queue.messages.values() if message.visible <= now]
        hidden = [message for message in queue.messages.values() if message.visible > now]
        delayed = sum(not message.receives for message in hidden)
        counts = {
            "ApproximateNumberOfMessages": len(waiting),
            "ApproximateNumberOfMessagesNotVisible": len(hidden) - delayed,
            "ApproximateNumberOfMessagesDelayed": delayed,
            "QueueArn": queue.arn,
        }
        names = request.get("AttributeNames", [])
        wanted = counts if "All" in names else {name: counts[name] for name in names}
        return {"Attributes": {name: str(value) for name, value in wanted.items()}}


def lambda_record(message: QueuedMessage, queue: MemoryQueue) -> dict[str, Any]:
    """The message as Lambda passes it to a function."""
    attributes = {
        "ApproximateReceiveCount": str(message.receives),
        "SentTimestamp": str(clock.milliseconds(message.sent)),
        "ApproximateFirstReceiveTimestamp": str(clock.milliseconds(message.first_received or message.sent)),
        "SenderId": "memory",
    }
    if message.group:
        attributes["MessageGroupId"] = message.group
    if message.redriven_from:
        attributes["DeadLetterQueueSourceArn"] = message.redriven_from
    return {
        "messageId": message.id,
        "receiptHandle": message.handle,
        "body": message.body,
        "attributes": attributes,
        "messageAttributes": {
            name: {"stringValue": value.get("StringValue"), "dataType": value["DataType"]}
            for name, value in message.attributes.items()
        },
        "md5OfBody": hashlib.md5(message.body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.arn,
        "awsRegion": queue.arn.split(":")[3],
    }


def _received(message: QueuedMessage) -> dict[str, Any]:
    attributes = {
        "ApproximateReceiveCount": str(message.receives),
        "SentTimestamp": str(clock.milliseconds(message.sent)),
    }
    if message.group:
        attributes["MessageGroupId"] = message.group
    if message.redriven_from:
        attributes["DeadLetterQueueSourceArn"] = message.redriven_from
    return {
        "MessageId": message.id,
        "ReceiptHandle": message.handle,
        "Body": message.body,
        "Attributes": attributes,
        "MessageAttributes": message.attributes,
    }
