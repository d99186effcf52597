"""Users, what belongs to their accounts, and the two long ways out: export and deletion."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from shared import tables
from shared.records.record import ONLY, Count, Id, Instant, Record
from shared.tables import Table


class User(Record):
    """deleted_at: from then on nobody signs in and nothing is forwarded, whatever is still there."""

    table: ClassVar[Table] = tables.USERS

    id: Id = ONLY
    email: str = Field(min_length=3, max_length=320)
    name: str = Field(default="", max_length=200)
    created_at: Instant
    deleted_at: Instant | None = None


class Alias(Record):
    """id: its address. destination: the id of one."""

    table: ClassVar[Table] = tables.ALIASES

    destination: Id
    created_at: Instant
    active: bool = True
    expires_at: Instant | None = None
    deactivated_at: Instant | None = None

    def waiting(self) -> datetime | None:
        return self.expires_at if self.active else None


class Destination(Record):
    """notified_at: when its owner was told that it will be removed unverified."""

    table: ClassVar[Table] = tables.DESTINATIONS

    address: str = Field(min_length=3, max_length=320)
    created_at: Instant
    verified_at: Instant | None = None

    def aging(self) -> tuple[str, datetime] | None:
        return None if self.verified_at else ("", self.created_at)


class DomainState(StrEnum):
    PENDING = "pending"
    VERIFIED = "verified"
    FAILED = "failed"


class Domain(Record):
    """id: its name in ASCII. challenge: what its TXT record must hold. next_check_at: while it is pending."""

    table: ClassVar[Table] = tables.DOMAINS

    challenge: str = Field(min_length=8, max_length=255)
    created_at: Instant
    state: DomainState = DomainState.PENDING
    next_check_at: Instant | None = None
    checked_at: Instant | None = None
    checks: Count = 0
    found: tuple[str, ...] = ()

    def waiting(self) -> datetime | None:
        return self.next_check_at if self.state is DomainState.PENDING else None


class _Token(Record):
    """id: a hash of the token, which itself is kept nowhere."""

    created_at: Instant
    expires_at: Instant

    def aging(self) -> tuple[str, datetime] | None:
        return "", self.expires_at


class MagicLink(_Token):
    table: ClassVar[Table] = tables.MAGIC_LINKS

    used_at: Instant | None = None


class Verification(_Token):
    """destination: the id of the one that it verifies."""

    table: ClassVar[Table] = tables.VERIFICATIONS

    destination: Id


class Session(Record):
    """It ends at `idle_until`, which each use moves on, and at `ends_at` in any case."""

    table: ClassVar[Table] = tables.SESSIONS

    created_at: Instant
    ends_at: Instant
    idle_until: Instant
    agent: str = Field(default="", max_length=512)

    def aging(self) -> tuple[str, datetime] | None:
        return "", min(self.ends_at, self.idle_until)


class AuditEntry(Record):
    """id: begins with the instant, so that a user's trail is in order. critical: kept for years longer."""

    table: ClassVar[Table] = tables.AUDIT

    at: Instant
    action: str = Field(min_length=1, max_length=100)
    actor: str = Field(min_length=1, max_length=256)
    subject: str = Field(default="", max_length=512)
    critical: bool = False
    data: dict[str, str | int | bool] = Field(default_factory=dict)

    def aging(self) -> tuple[str, datetime] | None:
        return "critical" if self.critical else "", self.at


class WorkState(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


class _Request(Record):
    """Work of several steps: which it is at, where in it, and how far that is in percent."""

    requested_at: Instant
    state: WorkState = WorkState.QUEUED
    step: str = ""
    cursor: str = ""
    progress: int = Field(default=0, ge=0, le=100)
    attempts: Count = 0
    due_on: Instant | None = None
    started_at: Instant | None = None
    completed_at: Instant | None = None
    failed_at: Instant | None = None
    error: str = Field(default="", max_length=512)

    def waiting(self) -> datetime | None:
        return self.due_on if self.state in (WorkState.QUEUED, WorkState.PROCESSING) else None


class Export(_Request):
    """expires_at: when the archive and every link to it are gone."""

    table: ClassVar[Table] = tables.EXPORTS

    archive: str = ""
    size: Count = 0
    sha256: str = ""
    expires_at: Instant | None = None

    def aging(self) -> tuple[str, datetime] | None:
        return ("", self.expires_at) if self.expires_at else None


class Deletion(_Request):
    """id: `-`. It stays when all else is gone: that it was done, when, and how many of what went. No personal data."""

    table: ClassVar[Table] = tables.DELETIONS

    id: Id = ONLY
    reason: str = Field(default="", max_length=200)
    deleted: dict[str, Count] = Field(default_factory=dict)
