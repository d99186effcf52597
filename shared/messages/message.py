"""A message as a consumer gets it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic

from shared import clock
from shared.dead_letters.letter import MESSAGE_ATTRIBUTE as LETTER

# Attributes of a message that was tried before: how often, since when, and what the last attempt ended with.
ATTEMPT, FIRST_FAILED, LAST_ERROR = "attempt", "first-failed-at", "last-error"
# And of one that was put off: until when, and since when.
NOT_BEFORE, PUT_OFF = "not-before", "put-off-since"

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    # A consumer that declares no payload does not have to say so.
    P = TypeVar("P", default=Any)
else:
    from typing import TypeVar

    P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Message(Generic[P]):
    """One SQS record. receives: how often it was delivered, this time included. sent: epoch milliseconds.

    text: the body as it came. body: what that says as JSON, or the text itself where it is none. payload: as the
    consumer declares it. letter: the dead letter that was sent again by this message, empty for any other.
    attempt: 1 is the first, whatever its queue did in between. not_before, put_off_since: instants, empty where it was
    not put off. attributes: as Lambda delivers them.
    """

    id: str
    text: str
    body: Any
    receives: int
    sent: int
    queue: str
    handle: str
    letter: str = ""
    attempt: int = 1
    first_failed_at: str = ""
    not_before: str = ""
    deferred_since: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)
    payload: P = None  # type: ignore[assignment] # until it is read

    @property
    def tenant(self) -> str:
        """The organization that it is for, where it says one."""
        if self.payload is not None:
            return str(getattr(self.payload, "organization_id", ""))
        body = self.body if isinstance(self.body, Mapping) else {}
        inner = body.get("payload")
        named = (
            holder.get(name)
            for holder in (body, inner if isinstance(inner, Mapping) else {})
            for name in ("organizationId", "orgId")
        )
        return next((str(name) for name in named if name), "")


def read(record: Mapping[str, Any]) -> Message:
    """From an SQS record as Lambda delivers it."""
    attributes = record.get("attributes", {})
    given = record.get("messageAttributes") or {}
    tried = _text(given, ATTEMPT)[:4]
    text = body = record.get("body", "")
    # A body of a million brackets is no JSON either.
    with suppress(TypeError, ValueError, RecursionError):
        body = json.loads(text)
    return Message(
        id=record["messageId"],
        text=text,
        body=body,
        receives=int(attributes.get("ApproximateReceiveCount", 1)),
        sent=int(attributes.get("SentTimestamp", 0)),
        queue=str(record.get("eventSourceARN", "")).rpartition(":")[2],
        handle=record.get("receiptHandle", ""),
        letter=_text(given, LETTER),
        attempt=int(tried) if tried.isdecimal() and int(tried) else 1,
        first_failed_at=_text(given, FIRST_FAILED),
        not_before=_instant(given, NOT_BEFORE),
        deferred_since=_instant(given, PUT_OFF),
        attributes=given,
    )


def _text(attributes: Mapping[str, Any], name: str) -> str:
    return str(attributes.get(name, {}).get("stringValue", ""))


def _instant(attributes: Mapping[str, Any], name: str) -> str:
    """Empty where it is none: anybody can send an attribute."""
    text = _text(attributes, name)
    if text:
        with suppress(ValueError):
            return clock.iso(clock.parse(text))
    return ""
