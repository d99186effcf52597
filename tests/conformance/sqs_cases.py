"""Cases of SQS: calls, and what the last of them gives.

The statements are those of the developer guide ("Amazon SQS visibility timeout", "Using dead-letter queues") and of the
API reference. Each case has a queue `main`, whose messages are redriven to `dead` at the third receive.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from tests.conformance.service_backends import Answer, Call

VISIBILITY, MAX_RECEIVES = 2, 2
LIMIT = 1024 * 1024
INVALID = {"error": "InvalidParameterValue", "status": 400}
ALL = {"MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"], "MaxNumberOfMessages": 10}
COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(frozen=True)
class Case:
    fact: str
    calls: tuple[Call, ...]
    gives: Answer


def send(body: str = "m", **request: Any) -> Call:
    return "SendMessage", {"MessageBody": body, **request}


def receive(**request: Any) -> Call:
    return "ReceiveMessage", {**ALL, **request}


def from_dead_letters(**request: Any) -> Call:
    return receive(QueueUrl="dead", **request)


def wait(seconds: float = VISIBILITY) -> Call:
    return "Wait", {"Seconds": seconds}


def handle(answers: list[Answer], position: int = -1) -> str:
    found: str = answers[position]["Messages"][0]["ReceiptHandle"]
    return found


def delete(position: int = -1) -> Call:
    """Delete the message that an earlier call has received."""
    return "DeleteMessage", lambda answers: {"ReceiptHandle": handle(answers, position)}


def change(seconds: int, position: int = -1) -> Call:
    return "ChangeMessageVisibility", lambda answers: {
        "ReceiptHandle": handle(answers, position),
        "VisibilityTimeout": seconds,
    }


def batch(*entries: dict[str, Any]) -> Call:
    return "SendMessageBatch", {"Entries": list(entries)}


def counts() -> Call:
    return "GetQueueAttributes", {"AttributeNames": ["All"]}


def counted(visible: int = 0, received: int = 0, delayed: int = 0) -> Answer:
    return dict(zip(COUNTS, (visible, received, delayed), strict=True))


def messages(*bodies: str, receives: int = 1, **rest: Any) -> Answer:
    return {"messages": [{"body": body, "receives": receives, **rest} for body in sorted(bodies)]}


def shown(operation: str, answer: Answer) -> Answer:
    """The part of an answer on which all must agree."""
    match operation:
        case "ReceiveMessage":
            return {"messages": sorted((_message(each) for each in answer.get("Messages", [])), key=repr)}
        case "SendMessage":
            return {"md5": answer["MD5OfMessageBody"], "id": bool(answer["MessageId"])}
        case "SendMessageBatch" | "DeleteMessageBatch":
            failed = [{"id": each["Id"], "code": each["Code"]} for each in answer.get("Failed", [])]
            return {"sent": [each["Id"] for each in answer.get("Successful", [])], "failed": failed}
        case "GetQueueAttributes":
            return {name: int(answer["Attributes"][name]) for name in COUNTS}
    return {}


def _message(message: Answer) -> Answer:
    attributes = message["Attributes"]
    found = {"body": message["Body"], "receives": int(attributes["ApproximateReceiveCount"])}
    if source := attributes.get("DeadLetterQueueSourceArn"):
        found["source"] = source.rpartition(":")[2].partition("-")[0]
    if named := message.get("MessageAttributes"):
        found["named"] = {name: value.get("StringValue") for name, value in named.items()}
    return found


def entry(name: str, body: str = "m", **request: Any) -> dict[str, Any]:
    return {"Id": name, "MessageBody": body, **request}


def sent(*names: str, **failed: str) -> Answer:
    return {"sent": list(names), "failed": [{"id": name, "code": code} for name, code in failed.items()]}


TEXT = {"kind": {"DataType": "String", "StringValue": "retry"}}
RECEIVED_OFTEN = (send(), receive(), wait(), receive(), wait())

CASES = [
    Case(
        "a sent message has an id and the MD5 of its body",
        (send("m"),),
        {"md5": hashlib.md5(b"m").hexdigest(), "id": True},
    ),
    Case("an empty queue answers no messages", (receive(),), messages()),
    Case("a message is received with its body", (send("m"), receive()), messages("m")),
    Case(
        "one message is received by default",
        (send("a"), send("b"), receive(MaxNumberOfMessages=1), counts()),
        counted(visible=1, received=1),
    ),
    Case("at most ten messages are received", (receive(MaxNumberOfMessages=11),), INVALID),
    Case("no messages may not be asked for", (receive(MaxNumberOfMessages=0),), INVALID),
    Case("a received message is invisible to others", (send(), receive(), receive()), messages()),
    Case(
        "a message appears again after the visibility timeout",
        (send(), receive(), wait(), receive()),
        messages("m", receives=2),
    ),
    Case(
        "a receive can have a visibility timeout of its own",
        (send(), receive(VisibilityTimeout=0), receive()),
        messages("m", receives=2),
    ),
    Case("a deleted message does not appear again", (send(), receive(), delete(), wait(), receive()), messages()),
    Case("a delete repeated succeeds", (send(), receive(), delete(1), delete(1)), {}),
    Case(
        "a message is deleted by the handle of a receive that has timed out",
        (send(), receive(), wait(), delete(1), receive()),
        messages(),
    ),
    Case(
        "a visibility timeout of 0 shows the message at once",
        (send(), receive(), change(0), receive()),
        messages("m", receives=2),
    ),
    Case(
        "a longer visibility timeout hides the message", (send(), receive(), change(60), wait(), receive()), messages()
    ),
    Case("a visibility timeout is at most 12 hours", (send(), receive(), change(43_201)), INVALID),
    Case(
        "the visibility of a visible message cannot be changed",
        (send(), receive(), change(0), change(5, 1)),
        {"error": "MessageNotInflight", "status": 400},
    ),
    Case(
        "an unknown handle is invalid",
        (("ChangeMessageVisibility", {"ReceiptHandle": "x", "VisibilityTimeout": 1}),),
        {"error": "ReceiptHandleIsInvalid", "status": 400},
    ),
    Case("a delayed message is invisible", (send(DelaySeconds=2), receive()), messages()),
    Case("a delayed message appears after its delay", (send(DelaySeconds=2), wait(2), receive()), messages("m")),
    Case("a delayed message is counted as delayed", (send(DelaySeconds=60), counts()), counted(delayed=1)),
    Case("a delay is at most 15 minutes", (send(DelaySeconds=901),), INVALID),
    Case("a delay is not negative", (send(DelaySeconds=-1),), INVALID),
    Case(
        "visible, received and delayed messages are counted apart",
        (send("a"), receive(), send("b"), send(DelaySeconds=60), counts()),
        counted(1, 1, 1),
    ),
    Case(
        "a message that was received and timed out counts as visible",
        (send(), receive(), wait(), counts()),
        counted(visible=1),
    ),
    Case(
        "a message is redriven once it was received too often",
        (*RECEIVED_OFTEN, receive(), from_dead_letters()),
        messages("m", source="main"),
    ),
    Case(
        "receives of a redriven message are counted anew, so that its queue does not redrive it at once",
        (*RECEIVED_OFTEN, receive(), from_dead_letters(VisibilityTimeout=0), from_dead_letters()),
        messages("m", receives=2, source="main"),
    ),
    Case("a redriven message is gone from its queue", (*RECEIVED_OFTEN, receive()), messages()),
    Case("a message is not redriven without a receive", (*RECEIVED_OFTEN, from_dead_letters()), messages()),
    Case(
        "attributes of a message are received",
        (send(MessageAttributes=TEXT), receive()),
        messages("m", named={"kind": "retry"}),
    ),
    Case(
        "attributes are received where they are asked for",
        (send(MessageAttributes=TEXT), receive(MessageAttributeNames=[])),
        messages("m"),
    ),
    Case(
        "a redriven message keeps its attributes",
        (send(MessageAttributes=TEXT), *RECEIVED_OFTEN[1:], receive(), from_dead_letters()),
        messages("m", source="main", named={"kind": "retry"}),
    ),
    Case("a message has at most 1 MiB", (send("x" * (LIMIT + 1)),), INVALID),
    Case("a message of 1 MiB is sent", (send("x" * LIMIT), counts()), counted(visible=1)),
    Case("bytes are counted, not characters", (send("é" * (LIMIT // 2 + 1)),), INVALID),
    Case("attributes count as part of the size", (send("x" * (LIMIT - 5), MessageAttributes=TEXT),), INVALID),
    Case("control characters are refused", (send("\x00"),), {"error": "InvalidMessageContents", "status": 400}),
    Case("all entries of a batch are sent", (batch(entry("1"), entry("2", "n")), receive()), messages("m", "n")),
    Case("a batch answers the ids of its entries", (batch(entry("1"), entry("2")),), sent("1", "2")),
    Case(
        "a wrong entry fails alone",
        (batch(entry("1"), entry("2", DelaySeconds=901)),),
        sent("1", **{"2": "InvalidParameterValue"}),
    ),
    Case(
        "the other entries of a batch are sent", (batch(entry("1", "a"), entry("2", "\x00")), receive()), messages("a")
    ),
    Case("an empty batch is refused", (batch(),), {"error": "AWS.SimpleQueueService.EmptyBatchRequest", "status": 400}),
    Case(
        "a batch has at most ten entries",
        (batch(*(entry(str(number)) for number in range(11))),),
        {"error": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "status": 400},
    ),
    Case(
        "ids of a batch are distinct",
        (batch(entry("1"), entry("1")),),
        {"error": "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "status": 400},
    ),
    Case(
        "a batch has at most 1 MiB",
        (batch(entry("1", "x" * LIMIT), entry("2", "x")),),
        {"error": "AWS.SimpleQueueService.BatchRequestTooLong", "status": 400},
    ),
    Case(
        "a batch is deleted",
        (
            send(),
            receive(),
            ("DeleteMessageBatch", lambda answers: {"Entries": [{"Id": "1", "ReceiptHandle": handle(answers)}]}),
            counts(),
        ),
        counted(),
    ),
    Case(
        "an unknown queue does not exist",
        (send(QueueUrl="none"),),
        {"error": "AWS.SimpleQueueService.NonExistentQueue", "status": 400},
    ),
    Case(
        "a message is delivered once for each receive that times out",
        (send(), receive(), wait(), receive(), counts()),
        counted(received=1),
    ),
]
