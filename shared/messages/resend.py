"""A message once more: a copy of it in its own queue, later, with the count of its attempts.

Receives are no count: throttled ones count too, and a queue gives a message up after a few of them, although it was put
off on purpose.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.messages.message import ATTEMPT, FIRST_FAILED, LAST_ERROR, NOT_BEFORE, PUT_OFF

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.message import Message

LONGEST_DELAY = 900
# Of SQS, in bytes, for a body and its attributes.
LIMIT = 1024 * 1024
# What is put off for longer has failed.
LONGEST = timedelta(days=1)


def retry(cloud: Cloud, message: Message, error: str, delay: int) -> None:
    """The next attempt. To be sent before the original is acknowledged: a crash in between leaves both, and no work is
    lost."""
    first = message.first_failed_at or clock.iso(cloud.clock.now())
    _send(cloud, cloud.sqs, message, delay, _next(message, error, first))


def fits(message: Message, error: str) -> bool:
    """Whether SQS takes it with all that its next attempt says of itself: what others sent may leave no room."""
    told = _attributes(message, _next(message, error, "2026-01-01T00:00:00.000Z"))
    size = sum(
        len(name.encode())
        + len(given["DataType"])
        + len(given.get("StringValue", "").encode())
        + len(given.get("BinaryValue", b""))
        for name, given in told.items()
    )
    return len(message.text.encode()) + size <= LIMIT


def defer(cloud: Cloud, message: Message, seconds: float) -> None:
    """The same attempt, not before so many seconds are over, however many of SQS's delays that takes."""
    now, wait = cloud.clock.now(), min(timedelta(seconds=seconds), LONGEST)
    told = {NOT_BEFORE: clock.iso(now + wait), PUT_OFF: message.deferred_since or clock.iso(now)}
    _wait(cloud, message, wait, told)


def deferred_too_long(cloud: Cloud, message: Message) -> bool:
    """Whether it was put off so long ago for the first time that it is no more."""
    since = message.deferred_since
    return bool(since) and clock.parse(since) + LONGEST <= cloud.clock.now()


def not_due_yet(cloud: Cloud, message: Message) -> bool:
    """Put it off anew where its time has not come."""
    if not message.not_before:
        return False
    left = clock.parse(message.not_before) - cloud.clock.now()
    # What lies further ahead was not said by us.
    if not timedelta(0) < left <= LONGEST:
        return False
    _wait(cloud, message, left, {})
    return True


def defer_paused(cloud: Cloud, message: Message) -> None:
    """For as long as a queue can delay it, and again then, however long the pause."""
    _wait(cloud, message, timedelta(seconds=LONGEST_DELAY), {})


def _wait(cloud: Cloud, message: Message, wait: timedelta, told: Mapping[str, str]) -> None:
    _send(cloud, cloud.unchained, message, max(1, ceil(wait.total_seconds())), told)


def _next(message: Message, error: str, first: str) -> dict[str, str]:
    return {
        ATTEMPT: str(message.attempt + 1),
        FIRST_FAILED: first,
        LAST_ERROR: redaction.excerpt(error, redaction.LONG) or "-",
    }


def _send(cloud: Cloud, sqs: Any, message: Message, delay: int, told: Mapping[str, str]) -> None:
    sqs.send_message(
        QueueUrl=cloud.names.queue_url(message.queue.removeprefix(cloud.names.of(""))),
        MessageBody=message.text,
        DelaySeconds=min(delay, LONGEST_DELAY),
        MessageAttributes=_attributes(message, told),
        MessageGroupId=message.tenant or "-",
    )


def _attributes(message: Message, told: Mapping[str, str]) -> dict[str, Any]:
    kept = {name: _attribute(given) for name, given in message.attributes.items()}
    return {**kept, **{name: {"DataType": "String", "StringValue": text} for name, text in told.items()}}


def _attribute(given: Mapping[str, Any]) -> dict[str, Any]:
    """From the form of a Lambda event to that of the API."""
    if "stringValue" in given:
        return {"DataType": given["dataType"], "StringValue": given["stringValue"]}
    return {"DataType": given["dataType"], "BinaryValue": base64.b64decode(given["binaryValue"])}
