"""Users, what belongs to their accounts, and the two long ways out: export and deletion."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Self

from pydantic import Field, model_validator

from shared import tables
from shared.archetypes.pipeline import WorkState
from shared.store.record import ONLY, Address, AliasAddress, Count, Id, Instant, Name, Past, Record
from shared.tables import Table


class User(Record):
    """deleted_at: from then on nobody signs in and nothing is forwarded, whatever is still there.

    usage_mail: whether they want e-mails about what they use of their quota.
    """

    table: ClassVar[Table] = tables.USERS

    id: Id = ONLY
    email: Address
    name: str = Field(default="", max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
    created_at: Past
    deleted_at: Past | None = None
    usage_mail: bool = True


class Alias(Record):
    """id: its address. destination: the id of one."""

    table: ClassVar[Table] = tables.ALIASES

    id: AliasAddress
    destination: Id
    created_at: Past
    active: bool = True
    expires_at: Instant | None = None
    deactivated_at: Past | None = None

    def waiting(self) -> datetime | None:
        return self.expires_at if self.active else None


class Destination(Record):
    """address: what is forwarded to once its owner has verified it."""

    table: ClassVar[Table] = tables.DESTINATIONS

    address: Address
    created_at: Past
    verified_at: Past | None = None

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
    created_at: Past
    state: DomainState = DomainState.PENDING
    next_check_at: Instant | None = None
    checked_at: Past | None = None
    checks: Count = 0
    found: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_met(self) -> Self:
        if self.state is DomainState.PENDING and self.next_check_at is None:
            raise ValueError("next_check_at: is missing, and without it a pending domain is never looked at")
        return self

    def waiting(self) -> datetime | None:
        return self.next_check_at if self.state is DomainState.PENDING else None


class _Token(Record):
    """id: a hash of the token, which itself is kept nowhere."""

    created_at: Past
    expires_at: Instant

    @model_validator(mode="after")
    def _lives(self) -> Self:
        if self.expires_at < self.created_at:
            raise ValueError("expires_at: lies before created_at")
        return self

    def aging(self) -> tuple[str, datetime] | None:
        return "", self.expires_at


class MagicLink(_Token):
    table: ClassVar[Table] = tables.MAGIC_LINKS

    used_at: Past | None = None


class Verification(_Token):
    """destination: the id of the one that it verifies."""

    table: ClassVar[Table] = tables.VERIFICATIONS

    destination: Id


class Session(Record):
    """It ends at `idle_until`, which each use moves on, and at `ends_at` in any case."""

    table: ClassVar[Table] = tables.SESSIONS

    created_at: Past
    ends_at: Instant
    idle_until: Instant
    agent: str = Field(default="", max_length=512)

    def aging(self) -> tuple[str, datetime] | None:
        return "", min(self.ends_at, self.idle_until)


class AuditEntry(Record):
    """id: begins with the instant, so that a user's trail is in order. critical: kept for years longer."""

    table: ClassVar[Table] = tables.AUDIT

    at: Past
    action: str = Field(min_length=1, max_length=100)
    actor: str = Field(min_length=1, max_length=256)
    subject: str = Field(default="", max_length=512)
    critical: bool = False
    data: dict[Name, str | int | bool] = Field(default_factory=dict)

    def aging(self) -> tuple[str, datetime] | None:
        return "critical" if self.critical else "", self.at


class _Request(Record):
    """Work of several steps: which it is at, where in it, and how far that is in percent."""

    requested_at: Past
    state: WorkState = WorkState.QUEUED
    step: str = ""
    cursor: str = ""
    progress: int = Field(default=0, ge=0, le=100)
    attempts: Count = 0
    due_on: Instant | None = None
    started_at: Past | None = None
    completed_at: Past | None = None
    failed_at: Past | None = None
    error: str = Field(default="", max_length=512)

    @model_validator(mode="after")
    def _is_met(self) -> Self:
        if self._open and self.due_on is None:
            raise ValueError(f"due_on: is missing, and without it nobody meets what is {self.state}")
        return self

    @property
    def _open(self) -> bool:
        return self.state in (WorkState.QUEUED, WorkState.PROCESSING)

    def waiting(self) -> datetime | None:
        return self.due_on if self._open else None


# How long an export that has failed still says so.
SHOWN = timedelta(days=7)


class Export(_Request):
    """expires_at: when the archive and every link to it are gone. parts: of each table, while it is being made.

    link: where it can be fetched. ticket: the secret in it, which whoever serves the link compares.
    """

    table: ClassVar[Table] = tables.EXPORTS

    parts: dict[str, Count] = Field(default_factory=dict)
    archive: str = ""
    size: Count = 0
    sha256: str = ""
    link: str = ""
    ticket: str = ""
    expires_at: Instant | None = None

    def aging(self) -> tuple[str, datetime] | None:
        if self.failed_at:
            return "", self.failed_at + SHOWN
        return ("", self.expires_at) if self.expires_at else None


class Deletion(_Request):
    """id: `-`. It stays when all else is gone: that it was done, when, and how many of what went. No personal data."""

    table: ClassVar[Table] = tables.DELETIONS

    id: Id = ONLY
    reason: str = Field(default="", max_length=200)
    deleted: dict[str, Count] = Field(default_factory=dict)
