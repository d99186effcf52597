"""Message: one SQS record, parsed for a consumer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, cast

from shared import clock, redaction
from shared.dead_letters.letter import MESSAGE_ATTRIBUTE as LETTER
from shared.messages.message_attributes import (
    ATTEMPT,
    DEFERRED_SINCE,
    FIRST_FAILED,
    NOT_BEFORE,
    ORIGIN,
    Attributes,
    text_of,
    unpacked,
)
from shared.messages.message_subject import correlation_of, entity_of, tenant_of
from shared.text.timestamp import parse_timestamp
from shared.text.untrusted_json import InvalidJson, parse_json

# Numbers of attempts, in ASCII digits: int() accepts those of other scripts.
ATTEMPTS = re.compile(r"[1-9][0-9]{0,3}")
# Characters of a message id; those of SQS have 36.
LONGEST_ID = 100

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from shared.dead_letters.subject import Subject

    # The default serves consumers without a payload.
    P = TypeVar("P", default=Any)
else:
    from typing import TypeVar

    P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Message(Generic[P]):
    """One message of a consumer's queue."""

    #: SQS message id.
    id: str
    #: The body as it came.
    text: str
    #: The body parsed as JSON; the text itself where it is not acceptable JSON.
    body: Any
    #: Number of deliveries, this one included.
    receives: int
    #: When it was sent, in epoch milliseconds.
    sent: int
    #: Physical name of its queue.
    queue: str
    #: Receipt handle of this delivery.
    handle: str
    #: Sort key of the dead letter that the message redrives; empty for others.
    letter: str = ""
    #: Number of the attempt, from 1; does not count the receives of its queue.
    attempt: int = 1
    #: Id of the message that this is a copy of; its own id where it is none.
    origin: str = ""
    #: Timestamp of the first failure; empty before it.
    first_failed_at: str = ""
    #: Timestamp before which it must not be handled; empty where it was not deferred.
    not_before: str = ""
    #: Timestamp of the first deferral; empty where it was not deferred.
    deferred_since: str = ""
    #: Message attributes as Lambda delivers them.
    attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)
    #: Why the body is not acceptable JSON; empty where it is.
    fault: str = ""
    #: The payload that the consumer declares; None until it is decoded.
    payload: P = None  # type: ignore[assignment] # until it is decoded

    @property
    def is_copy(self) -> bool:
        """Whether this consumer sent it, as a retry or a deferral."""
        return self.origin not in ("", self.id)

    @property
    def tenant(self) -> str:
        """Id of the organization that the message names, or ""."""
        if self.payload is not None:
            return str(getattr(self.payload, "organization_id", ""))
        return tenant_of(self.body)

    @property
    def entity(self) -> str:
        """Id of what the message is about, or ""."""
        return str(getattr(self.payload, "entity_id", "")) or entity_of(self.body)

    @property
    def correlation_id(self) -> str:
        """Correlation id that the sender set, or the payload generated."""
        return str(getattr(self.payload, "correlation_id", "")) or correlation_of(self.body)

    def subject(self, run: str, attempts: int, version: str) -> Subject:
        """Return whose work its dead letter is; texts of senders are cut."""
        texts = {
            "run": run,
            "message_id": self.id,
            "tenant": self.tenant,
            "entity": self.entity,
            "correlation_id": self.correlation_id,
            "first_failed_at": self.first_failed_at,
            "version": version,
        }
        known = {name: redaction.excerpt(text, redaction.SHORT) for name, text in texts.items() if text}
        return cast("Subject", {**known, "attempts": attempts})


def read(record: Mapping[str, Any]) -> Message:
    """Parse an SQS record as Lambda delivers it."""
    system = record.get("attributes", {})
    attributes = unpacked(record.get("messageAttributes") or {})
    attempt = text_of(attributes, ATTEMPT)[:4]
    text = body = record.get("body", "")
    fault = ""
    try:
        body = parse_json(text)
    except InvalidJson as error:
        fault = str(error)
    return Message(
        id=record["messageId"],
        text=text,
        body=body,
        receives=int(system.get("ApproximateReceiveCount", 1)),
        sent=int(system.get("SentTimestamp", 0)),
        queue=str(record.get("eventSourceARN", "")).rpartition(":")[2],
        handle=record.get("receiptHandle", ""),
        letter=text_of(attributes, LETTER),
        attempt=int(attempt) if ATTEMPTS.fullmatch(attempt) else 1,
        first_failed_at=_timestamp(attributes, FIRST_FAILED),
        origin=text_of(attributes, ORIGIN)[:LONGEST_ID] or record["messageId"],
        not_before=_timestamp(attributes, NOT_BEFORE),
        deferred_since=_timestamp(attributes, DEFERRED_SINCE),
        attributes=attributes,
        fault=fault,
    )


def _timestamp(attributes: Attributes, name: str) -> str:
    """Return the timestamp, or "" for an invalid one.

    Any sender can set an attribute.
    """
    text = text_of(attributes, name)
    if text:
        with suppress(ValueError):
            return clock.iso(parse_timestamp(text))
    return ""
