"""Records of mail.

Messages, header snapshots, failed forwards, holds, quarantine, rollups and billing cycles.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from shared import tables
from shared.store.record import AliasAddress, Count, Id, Past, Record, Timestamp
from shared.tables import RAW, Table

# A received message in the bucket. It belongs to the row with its key, and is deleted with that row.
Raw = Annotated[
    str, Field(max_length=1024, pattern=rf"^{RAW}[^\s\x00-\x1f\x7f]+$", description=f"an object's key in `{RAW}`")
]


def _thousandths(value: float) -> float:
    return round(value, 3)


class Direction(StrEnum):
    FORWARDED = "forwarded"
    SENT = "sent"
    REJECTED = "rejected"


class MessageMetadata(Record):
    """Metadata of one message, which the rollup adds up."""

    table: ClassVar[Table] = tables.MESSAGES

    #: Determines the day and week that the message counts for.
    received_at: Past
    #: When the row was written.
    recorded_at: Past
    bytes_used: Count
    direction: Direction = Direction.FORWARDED
    alias: str = Field(default="", max_length=320)

    def aging(self) -> tuple[str, datetime] | None:
        return "", self.recorded_at


class Snapshot(Record):
    """The encrypted headers of a message.

    The id is that of the message.
    """

    table: ClassVar[Table] = tables.SNAPSHOTS

    recorded_at: Past
    #: Base64 of the ciphertext.
    body: str
    #: Name of the encryption key.
    key: str = Field(min_length=1, max_length=256)

    def aging(self) -> tuple[str, datetime] | None:
        return "", self.recorded_at


class ForwardState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    CLOSED = "closed"


class FailedEmail(Record):
    """A failed forward.

    Retried while `pending`; when `closed`, retries have ended and the user was notified.
    """

    table: ClassVar[Table] = tables.FAILED_EMAILS

    alias: AliasAddress
    destination: Id
    raw: Raw
    failed_at: Past
    state: ForwardState = ForwardState.PENDING
    #: All attempts, including the original one.
    attempts: Count = 1
    next_attempt_at: Timestamp | None = None
    last_error: str = Field(default="", max_length=512)
    closed_at: Past | None = None

    @model_validator(mode="after")
    def _has_next_attempt(self) -> Self:
        if self.state is ForwardState.PENDING and self.next_attempt_at is None:
            raise ValueError("next_attempt_at: is missing; a pending forward without it would never be retried")
        return self

    def waiting(self) -> datetime | None:
        return self.next_attempt_at if self.state is ForwardState.PENDING else None

    def aging(self) -> tuple[str, datetime] | None:
        return None if self.state is ForwardState.PENDING else ("", self.failed_at)


class Hold(Record):
    table: ClassVar[Table] = tables.HOLDS

    alias: AliasAddress
    raw: Raw
    held_at: Past
    bytes_used: Count = 0

    def aging(self) -> tuple[str, datetime] | None:
        return "", self.held_at


class Quarantined(Record):
    table: ClassVar[Table] = tables.QUARANTINE

    alias: AliasAddress
    raw: Raw
    quarantined_at: Past
    score: Annotated[float, Field(ge=-1000, le=1000), AfterValidator(_thousandths)] = 0
    bytes_used: Count = 0

    def aging(self) -> tuple[str, datetime] | None:
        return "", self.quarantined_at


class Rollup(Record):
    """The sum of a user's messages of a day or week.

    The id is `day#2026-11-21`, or `week#2026-W47` of ISO 8601.
    """

    table: ClassVar[Table] = tables.ROLLUPS

    id: str = Field(pattern=r"^(day#[0-9]{4}-[0-9][0-9]-[0-9][0-9]|week#[0-9]{4}-W[0-9][0-9])$")
    #: Start of the day or week.
    from_at: Past
    bytes_used: Count = 0
    messages: Count = 0
    #: End of the last window of records that was added.
    upto: Timestamp | None = None

    def aging(self) -> tuple[str, datetime] | None:
        return "", self.from_at


class Cycle(Record):
    """A billing cycle of a user.

    The id is the day on which it starts, at midnight UTC.
    """

    table: ClassVar[Table] = tables.CYCLES

    starts_at: Past
    ends_at: Timestamp
    quota: int = Field(gt=0, lt=2**63)
    bytes_used: Count = 0
    #: Thresholds in percent that the user was notified of.
    crossed: tuple[int, ...] = ()
    #: When usage or quota changed last, until the thresholds have been checked.
    moved_at: Past | None = None
    #: End of the last window of records that was added.
    upto: Timestamp | None = None

    @model_validator(mode="after")
    def _has_valid_period(self) -> Self:
        if self.ends_at <= self.starts_at:
            raise ValueError("ends_at: is not after starts_at")
        if self.id != f"{self.starts_at:%Y-%m-%d}":
            raise ValueError("id: is not the day of starts_at, by which messages find their cycle")
        return self

    def waiting(self) -> datetime | None:
        return self.moved_at
