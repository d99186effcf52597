"""Resend a message to its own queue with a delay.

A retry, with the next attempt number, or a deferral.

The receive count is no attempt count: throttled deliveries increment it too, and a queue dead-letters a message after a
few receives although it was deferred on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.messages import message_attributes
from shared.messages.message_attributes import ATTEMPT, DEFERRED_SINCE, FIRST_FAILED, LAST_ERROR, NOT_BEFORE, ORIGIN

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.message import Message

# Seconds; the limits of SQS.
MAX_DELAY = 900
MAX_VISIBILITY = 12 * 3600
# Bytes of a body and its attributes; the limit of SQS.
MESSAGE_LIMIT = 1024 * 1024
# A message deferred for longer has failed.
MAX_DEFERRAL = timedelta(days=1)


def retry(cloud: Cloud, message: Message, error: str, delay: int) -> None:
    """Send the next attempt, due in `delay` seconds.

    Send it before the original is acknowledged: a crash between the two leaves both, and no work is lost.
    """
    first = message.first_failed_at or clock.iso(cloud.clock.now())
    _send(cloud, cloud.sqs, message, delay, _next_attempt(message, error, first))


def fits(message: Message, error: str) -> bool:
    """Return whether the next attempt fits into an SQS message."""
    changes = _next_attempt(message, error, "2026-01-01T00:00:00.000Z")
    size = message_attributes.size(_attributes(message, changes))
    return len(message.text.encode()) + size <= MESSAGE_LIMIT


def defer(cloud: Cloud, message: Message, seconds: float) -> None:
    """Send the same attempt, due in `seconds`, a day at most.

    Longer than SQS can delay it, it is deferred again.
    """
    now, wait = cloud.clock.now(), min(timedelta(seconds=seconds), MAX_DEFERRAL)
    changes = {NOT_BEFORE: clock.iso(now + wait), DEFERRED_SINCE: message.deferred_since or clock.iso(now)}
    _delay(cloud, message, wait, changes)


def deferred_too_long(cloud: Cloud, message: Message) -> bool:
    """Return whether a day has passed since the first deferral.

    The message has failed then.
    """
    since = message.deferred_since
    return bool(since) and clock.parse(since) + MAX_DEFERRAL <= cloud.clock.now()


def not_due_yet(cloud: Cloud, message: Message) -> bool:
    """Return whether its time has not come, and defer it then."""
    if not message.not_before:
        return False
    left = clock.parse(message.not_before) - cloud.clock.now()
    # A time further ahead was set by another sender.
    if not timedelta(0) < left <= MAX_DEFERRAL:
        return False
    _delay(cloud, message, left, {})
    return True


def defer_paused(cloud: Cloud, message: Message) -> None:
    """Defer a message of a paused job or tenant.

    For 15 minutes, and then again, as long as the pause lasts.
    """
    _delay(cloud, message, timedelta(seconds=MAX_DELAY), {})


def hide(cloud: Cloud, message: Message, seconds: float) -> None:
    """Keep the message in its queue, invisible for `seconds`."""
    cloud.sqs.change_message_visibility(
        QueueUrl=_queue_url(cloud, message),
        ReceiptHandle=message.handle,
        VisibilityTimeout=min(max(1, round(seconds)), MAX_VISIBILITY),
    )


def _queue_url(cloud: Cloud, message: Message) -> str:
    return cloud.names.queue_url(message.queue.removeprefix(cloud.names.of("")))


def _delay(cloud: Cloud, message: Message, wait: timedelta, changes: Mapping[str, str]) -> None:
    _send(cloud, cloud.sqs_new_trace, message, max(1, ceil(wait.total_seconds())), changes)


def _next_attempt(message: Message, error: str, first: str) -> dict[str, str]:
    return {
        ATTEMPT: str(message.attempt + 1),
        FIRST_FAILED: first,
        LAST_ERROR: redaction.excerpt(error, redaction.LONG) or "-",
    }


def _send(cloud: Cloud, sqs: Any, message: Message, delay: int, changes: Mapping[str, str]) -> None:
    sqs.send_message(
        QueueUrl=_queue_url(cloud, message),
        MessageBody=message.text,
        DelaySeconds=min(delay, MAX_DELAY),
        MessageAttributes=_attributes(message, changes),
        MessageGroupId=message_attributes.group_id(message.tenant),
    )


def _attributes(message: Message, changes: Mapping[str, str]) -> dict[str, Any]:
    return message_attributes.resent(message.attributes, {**changes, ORIGIN: message.origin})
