"""What goes out to users and to their receivers: notifications by e-mail, events by webhook."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Self

from pydantic import Field, model_validator

from shared import tables
from shared.store.record import Count, Id, Instant, Name, Past, Record
from shared.tables import Table


class SendState(StrEnum):
    """SHOWN: of a notification that its user wants no e-mail of; it is there to be read, and waits for nothing."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    SHOWN = "shown"


class _Outgoing(Record):
    """attempts: all tries so far. next_attempt_at: while it is queued."""

    created_at: Past
    state: SendState = SendState.QUEUED
    attempts: Count = 0
    next_attempt_at: Instant | None = None
    sent_at: Past | None = None
    failed_at: Past | None = None
    last_error: str = Field(default="", max_length=512)

    @model_validator(mode="after")
    def _is_met(self) -> Self:
        if self.state is SendState.QUEUED and self.next_attempt_at is None:
            raise ValueError("next_attempt_at: is missing, and without it nothing that is queued is ever sent")
        return self

    def waiting(self) -> datetime | None:
        return self.next_attempt_at if self.state is SendState.QUEUED else None

    def aging(self) -> tuple[str, datetime] | None:
        return None if self.state is SendState.QUEUED else ("", self.created_at)


class Notification(_Outgoing):
    """template: what it says; data: what that is filled with. persona: whom it is from. about: the row it is about.

    What is shown only, and is no e-mail, has the state `shown` from the beginning.
    """

    table: ClassVar[Table] = tables.NOTIFICATIONS

    template: str = Field(min_length=1, max_length=100)
    persona: str = Field(default="porter", max_length=50)
    about: str = Field(default="", max_length=512)
    data: dict[Name, str | int] = Field(default_factory=dict)


class Webhook(Record):
    """secrets: of Standard Webhooks, `whsec_...`; the newest first, while they are rotated two."""

    table: ClassVar[Table] = tables.WEBHOOKS

    url: str = Field(max_length=2048, pattern=r"^https?://[^\s\x00-\x1f\x7f]+$")
    secrets: tuple[str, ...] = Field(min_length=1, max_length=2)
    created_at: Past
    events: tuple[str, ...] = ()
    active: bool = True


class Delivery(_Outgoing):
    """webhook: the id of one. body: JSON, as it is signed and sent. status: the receiver's last answer."""

    table: ClassVar[Table] = tables.DELIVERIES

    webhook: Id
    event: str = Field(min_length=1, max_length=100)
    body: str = Field(max_length=256 * 1024)
    status: Count = 0
