"""Messages and what is kept of them: failures, holds, quarantine, headers, sums, quotas."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from shared import tables
from shared.store.record import AliasAddress, Count, Id, Instant, Past, Record
from shared.tables import RAW, Table

# A message as it came, in the bucket. It belongs to the row that names it, and goes when that does.
Raw = Annotated[
    str, Field(max_length=1024, pattern=rf"^{RAW}[^\s\x00-\x1f\x7f]+$", description=f"an object's key in `{RAW}`")
]


def _thousandths(value: float) -> float:
    return round(value, 3)


class Direction(StrEnum):
    FORWARDED = "forwarded"
    SENT = "sent"
    REJECTED = "rejected"


class Message(Record):
    """received_at: the day and week that it counts for. recorded_at: when this row was written, later or at once."""

    table: ClassVar[Table] = tables.MESSAGES

    received_at: Past
    recorded_at: Past
    bytes_used: Count
    direction: Direction = Direction.FORWARDED
    alias: str = Field(default="", max_length=320)

    def aging(self) -> tuple[str, datetime] | None:
        return "", self.recorded_at


class Snapshot(Record):
    """id: that of its message. body: base64 of what is encrypted, by the key of that name."""

    table: ClassVar[Table] = tables.SNAPSHOTS

    recorded_at: Past
    body: str
    key: str = Field(min_length=1, max_length=256)

    def aging(self) -> tuple[str, datetime] | None:
        return "", self.recorded_at


class ForwardState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    CLOSED = "closed"


class FailedEmail(Record):
    """raw: the object that holds the message. attempts: all tries, the original one included.

    It is retried while pending; closed means that no more is tried and its user was told.
    """

    table: ClassVar[Table] = tables.FAILED_EMAILS

    alias: AliasAddress
    destination: Id
    raw: Raw
    failed_at: Past
    state: ForwardState = ForwardState.PENDING
    attempts: Count = 1
    next_attempt_at: Instant | None = None
    last_error: str = Field(default="", max_length=512)
    closed_at: Past | None = None

    @model_validator(mode="after")
    def _is_met(self) -> Self:
        if self.state is ForwardState.PENDING and self.next_attempt_at is None:
            raise ValueError("next_attempt_at: is missing, and without it a pending forward is never tried again")
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
    """id: `day#2026-11-21`, or `week#2026-W47` of ISO 8601. from_at: when its day or week began.

    upto: of the last window of records that was added to it.
    """

    table: ClassVar[Table] = tables.ROLLUPS

    id: str = Field(pattern=r"^(day#\d{4}-\d\d-\d\d|week#\d{4}-W\d\d)$")
    from_at: Past
    bytes_used: Count = 0
    messages: Count = 0
    upto: Instant | None = None

    def aging(self) -> tuple[str, datetime] | None:
        return "", self.from_at


class Cycle(Record):
    """A billing cycle. id: the day it began, at midnight UTC. moved_at: when its usage moved, or its quota, without
    having been looked at since.

    crossed: thresholds in percent that have been told of. upto: of the last window of records that was added to it.
    """

    table: ClassVar[Table] = tables.CYCLES

    starts_at: Past
    ends_at: Instant
    quota: int = Field(gt=0, lt=2**63)
    bytes_used: Count = 0
    crossed: tuple[int, ...] = ()
    moved_at: Past | None = None
    upto: Instant | None = None

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.ends_at <= self.starts_at:
            raise ValueError("ends_at: does not lie after starts_at")
        if self.id != f"{self.starts_at:%Y-%m-%d}":
            raise ValueError("id: is not the day of starts_at, and by that day messages find their cycle")
        return self

    def waiting(self) -> datetime | None:
        return self.moved_at
