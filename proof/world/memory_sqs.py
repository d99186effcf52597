"""SQS in memory: delays, visibility, receive counts, redrive to a dead-letter queue."""

from __future__ import annotations

import hashlib
import itertools
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from proof.world.aws_errors import client_error
from shared import clock

MAX_BYTES = 1024 * 1024
MAX_DELAY = 900
MAX_VISIBILITY = 43_200
MAX_BATCH = 10
# Begins the receipt handles.
HANDLE = "handle-"
# Begins the error codes that the service has had since its query protocol.
QUERY = "AWS.SimpleQueueService."
# Characters that a message must not have: https://www.w3.org/TR/REC-xml/#charsets
NO_TEXT = re.compile("[^\\t\\n\\r\\u0020-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


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
            message.handle = f"{HANDLE}{next(self._numbers)}"
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
            raise client_error(operation, f"{QUERY}NonExistentQueue", f"The specified queue {name} does not exist.")
        return self.queues[name]

    def _SendMessage(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802 - AWS's names
        message = self._send("SendMessage", self._queue("SendMessage", request), request)
        return {"MessageId": message.id, "MD5OfMessageBody": _md5(message.body)}

    def _SendMessageBatch(self, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        queue, entries = self._queue("SendMessageBatch", request), request["Entries"]
        _check_batch(entries)
        sent: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for entry in entries:
            try:
                message = self._send("SendMessageBatch", queue, entry)
            except ClientError as error:
                failed.append({"Id": entry["Id"], "SenderFault": True, "Code": error.response["Error"]["Code"]})
            else:
                sent.append({"Id": entry["Id"], "MessageId": message.id, "MD5OfMessageBody": _md5(message.body)})
        return {name: each for name, each in (("Successful", sent), ("Failed", failed)) if each}

    def _send(self, operation: str, queue: MemoryQueue, request: Mapping[str, Any]) -> QueuedMessage:
        body, delay = request["MessageBody"], request.get("DelaySeconds", 0)
        if _size(request) > MAX_BYTES or not body:
            raise client_error(operation, "InvalidParameterValue", "a message has 1 byte to 1 MiB with its attributes")
        if NO_TEXT.search(body):
            raise client_error(operation, "InvalidMessageContents", "the body has a character that XML does not allow")
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
        if not 1 <= count <= MAX_BATCH:
            raise client_error("ReceiveMessage", "InvalidParameterValue", f"MaxNumberOfMessages {count} is not 1 to 10")
        messages = self.receive(queue.name, count, request.get("VisibilityTimeout"))
        named = request.get("MessageAttributeNames", [])
        return {"Messages": [_received(message, named) for message in messages]} if messages else {}

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
        if not request["ReceiptHandle"].startswith(HANDLE):
            raise client_error("ChangeMessageVisibility", "ReceiptHandleIsInvalid", "it is no receipt handle")
        for message in queue.messages.values():
            if message.handle == request["ReceiptHandle"]:
                if message.visible <= self.now():
                    raise client_error("ChangeMessageVisibility", "MessageNotInflight", "the message is visible")
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
        "md5OfBody": _md5(message.body),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.arn,
        "awsRegion": queue.arn.split(":")[3],
    }


def _received(message: QueuedMessage, named: Sequence[str]) -> dict[str, Any]:
    attributes = {
        "ApproximateReceiveCount": str(message.receives),
        "SentTimestamp": str(clock.milliseconds(message.sent)),
    }
    if message.group:
        attributes["MessageGroupId"] = message.group
    if message.redriven_from:
        attributes["DeadLetterQueueSourceArn"] = message.redriven_from
    wanted = {name: value for name, value in message.attributes.items() if "All" in named or name in named}
    return {
        "MessageId": message.id,
        "ReceiptHandle": message.handle,
        "Body": message.body,
        "Attributes": attributes,
        **({"MessageAttributes": wanted} if wanted else {}),
    }


def _check_batch(entries: Sequence[Mapping[str, Any]]) -> None:
    """Check a batch as a whole. Raises ClientError."""
    for code, wrong in (
        ("EmptyBatchRequest", not entries),
        ("TooManyEntriesInBatchRequest", len(entries) > MAX_BATCH),
        ("BatchEntryIdsNotDistinct", len({entry["Id"] for entry in entries}) != len(entries)),
        ("BatchRequestTooLong", sum(map(_size, entries)) > MAX_BYTES),
    ):
        if wrong:
            raise client_error("SendMessageBatch", f"{QUERY}{code}", f"{len(entries)} entries of {MAX_BYTES:,} bytes")


def _size(request: Mapping[str, Any]) -> int:
    """Bytes of a message with names, types and values of its attributes."""
    attributes = request.get("MessageAttributes", {}).items()
    texts = [text for name, value in attributes for text in (name, value["DataType"], value.get("StringValue", ""))]
    return sum(len(text.encode()) for text in (request["MessageBody"], *texts))


def _md5(body: str) -> str:
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
