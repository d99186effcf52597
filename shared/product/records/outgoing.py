"""Records of outgoing messages: notifications by e-mail, and events by webhook."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from shared import tables
from shared.http.ssrf import MAX_URL, ForbiddenUrl, parse_public_url
from shared.http.webhook import check_secret
from shared.store.record import Count, Id, Name, Past, Record, Timestamp
from shared.tables import Table

Secret = Annotated[
    str,
    AfterValidator(check_secret),
    Field(description="`whsec_` and base64 of 24 to 64 bytes"),
]


def _public(url: str) -> str:
    """Refuse a URL that no delivery would call.

    This machine is allowed, for the local cloud; a deployment refuses it when it sends.
    """
    try:
        parse_public_url(url, loopback=True)
    except ForbiddenUrl as error:
        raise ValueError(str(error)) from None
    return url


Url = Annotated[
    str,
    Field(
        max_length=MAX_URL,
        pattern=r"^https?://[^\s\x00-\x1f\x7f]+$",
        description="an https URL of a public host, of at most 2,048 characters",
    ),
    AfterValidator(_public),
]


class SendState(StrEnum):
    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    #: A notification that is only displayed, since its user receives no e-mail about it.
    SHOWN = "shown"


class _Outgoing(Record):
    created_at: Past
    state: SendState = SendState.QUEUED
    #: Attempts so far.
    attempts: Count = 0
    #: Set while it is queued.
    next_attempt_at: Timestamp | None = None
    sent_at: Past | None = None
    failed_at: Past | None = None
    last_error: str = Field(default="", max_length=512)

    @model_validator(mode="after")
    def _has_next_attempt(self) -> Self:
        if self.state is SendState.QUEUED and self.next_attempt_at is None:
            raise ValueError("next_attempt_at: is missing; a queued row without it would never be sent")
        return self

    def waiting(self) -> datetime | None:
        return self.next_attempt_at if self.state is SendState.QUEUED else None

    def aging(self) -> tuple[str, datetime] | None:
        return None if self.state is SendState.QUEUED else ("", self.created_at)


class Notification(_Outgoing):
    """A message to a user.

    One that is only displayed and not mailed is created with the state `shown`.
    """

    table: ClassVar[Table] = tables.NOTIFICATIONS

    #: Name of the text, a file in functions/mail/templates.
    template: str = Field(min_length=1, max_length=100)
    #: The sender that the text presents.
    persona: str = Field(default="porter", max_length=50)
    #: The row that it concerns: `<table>/<sort key>`.
    about: str = Field(default="", max_length=512)
    #: Values of the template.
    data: dict[Name, str | int] = Field(default_factory=dict)


class Webhook(Record):
    """A receiver of a user's events."""

    table: ClassVar[Table] = tables.WEBHOOKS

    url: Url
    #: Secrets of Standard Webhooks, `whsec_...`, the newest first; two during a rotation.
    secrets: tuple[Secret, ...] = Field(min_length=1, max_length=2)
    created_at: Past
    events: tuple[str, ...] = ()
    active: bool = True
    #: The first failed call since the last successful one; a failure within an hour of `succeeded_at` does not count.
    failing_since: Past | None = None
    #: A successful call; recorded again after an hour at the earliest.
    succeeded_at: Past | None = None
    #: When and why webhook-retry set `active` to false. Failures before are not counted once it is active again.
    disabled_at: Past | None = None
    disabled_why: str = Field(default="", max_length=512)


class Delivery(_Outgoing):
    """One event for one receiver."""

    table: ClassVar[Table] = tables.DELIVERIES

    #: Id of the receiver.
    webhook: Id
    event: str = Field(min_length=1, max_length=100)
    #: JSON, as it is signed and sent.
    body: str = Field(max_length=256 * 1024)
    #: HTTP status of the last response, 0 without one.
    status: Count = 0
