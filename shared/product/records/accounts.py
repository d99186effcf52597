"""Records of users, their accounts, and export and deletion requests."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from shared import tables
from shared.archetypes.pipeline import WorkState
from shared.store.record import ONLY, Address, AliasAddress, Count, Id, Name, Past, Record, Timestamp
from shared.tables import Table
from shared.text.domain_name import ascii_domain
from shared.text.whole_number import is_whole_number


class User(Record):
    """A user of the mail product."""

    table: ClassVar[Table] = tables.USERS

    id: Id = ONLY
    email: Address
    name: str = Field(default="", max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
    created_at: Past
    #: From then on the user cannot sign in and no mail is forwarded, although rows may still exist.
    deleted_at: Past | None = None
    #: Whether the user receives e-mails about the use of the quota.
    usage_mail: bool = True


class Alias(Record):
    """An address that is forwarded to a destination."""

    table: ClassVar[Table] = tables.ALIASES

    #: The address.
    id: AliasAddress
    #: Id of the destination.
    destination: Id
    created_at: Past
    active: bool = True
    expires_at: Timestamp | None = None
    deactivated_at: Past | None = None

    def waiting(self) -> datetime | None:
        return self.expires_at if self.active else None


class Destination(Record):
    """An address that mail is forwarded to, once it is verified."""

    table: ClassVar[Table] = tables.DESTINATIONS

    address: Address
    created_at: Past
    verified_at: Past | None = None

    def aging(self) -> tuple[str, datetime] | None:
        return None if self.verified_at else ("", self.created_at)


def _mail_domain(name: str) -> str:
    if "://" in name or "/" in name:
        raise ValueError("is a URL; write the domain alone, such as shop.example")
    if name.startswith("*."):
        raise ValueError("is a wildcard; add each domain by its name, such as shop.example")
    if "@" in name:
        raise ValueError("is an e-mail address; write its domain alone, such as shop.example")
    if ":" in name:
        raise ValueError("has a port or a scheme; write the domain alone, such as shop.example")
    domain = ascii_domain(name)
    *labels, last = domain.split(".")
    if not labels or is_whole_number(last) or "_" in domain:
        raise ValueError("is not the domain of e-mail addresses, such as shop.example")
    return domain


# In lower-case ASCII, as DNS and the index of names have it.
MailDomain = Annotated[
    str, Field(min_length=1, max_length=1024), AfterValidator(_mail_domain), Field(description="a domain name")
]


class DomainState(StrEnum):
    PENDING = "pending"
    VERIFIED = "verified"
    FAILED = "failed"


class Domain(Record):
    """A domain of the user, verified by its DNS records.

    The id is its name in ASCII.
    """

    table: ClassVar[Table] = tables.DOMAINS

    id: MailDomain
    #: Content that its TXT record must have.
    challenge: str = Field(min_length=8, max_length=255)
    created_at: Past
    state: DomainState = DomainState.PENDING
    #: Set while it is pending.
    next_check_at: Timestamp | None = None
    checked_at: Past | None = None
    checks: Count = 0
    #: Records that the last check found.
    found: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_next_check(self) -> Self:
        if self.state is DomainState.PENDING and self.next_check_at is None:
            raise ValueError("next_check_at: is missing; a pending domain without it would never be checked")
        return self

    def waiting(self) -> datetime | None:
        return self.next_check_at if self.state is DomainState.PENDING else None


class _Token(Record):
    """A token sent by e-mail.

    The id is its hash; the token itself is not stored.
    """

    created_at: Past
    expires_at: Timestamp

    @model_validator(mode="after")
    def _expires_after_creation(self) -> Self:
        if self.expires_at < self.created_at:
            raise ValueError("expires_at: is before created_at")
        return self

    def aging(self) -> tuple[str, datetime] | None:
        return "", self.expires_at


class MagicLink(_Token):
    table: ClassVar[Table] = tables.MAGIC_LINKS

    used_at: Past | None = None


class Verification(_Token):
    """A token that verifies a destination."""

    table: ClassVar[Table] = tables.VERIFICATIONS

    #: Id of the destination.
    destination: Id


class Session(Record):
    """A sign-in, valid until `idle_until`, and until `ends_at` at the latest."""

    table: ClassVar[Table] = tables.SESSIONS

    created_at: Past
    ends_at: Timestamp
    idle_until: Timestamp
    agent: str = Field(default="", max_length=512)

    def aging(self) -> tuple[str, datetime] | None:
        return "", min(self.ends_at, self.idle_until)


class AuditEntry(Record):
    """An entry of a user's audit trail.

    The id begins with the time, so that entries are in order.
    """

    table: ClassVar[Table] = tables.AUDIT

    at: Past
    action: str = Field(min_length=1, max_length=100)
    actor: str = Field(min_length=1, max_length=256)
    subject: str = Field(default="", max_length=512)
    #: Retained for years longer.
    critical: bool = False
    data: dict[Name, str | int | bool] = Field(default_factory=dict)

    def aging(self) -> tuple[str, datetime] | None:
        return "critical" if self.critical else "", self.at


class _Request(Record):
    """Work of several steps."""

    requested_at: Past
    state: WorkState = WorkState.QUEUED
    #: The current step.
    step: str = ""
    #: The position within the step.
    cursor: str = ""
    #: Percent.
    progress: int = Field(default=0, ge=0, le=100)
    attempts: Count = 0
    due_on: Timestamp | None = None
    started_at: Past | None = None
    completed_at: Past | None = None
    failed_at: Past | None = None
    error: str = Field(default="", max_length=512)

    @model_validator(mode="after")
    def _has_due_time(self) -> Self:
        if self._is_open and self.due_on is None:
            raise ValueError(f"due_on: is missing; a request that is {self.state} would never be processed without it")
        return self

    @property
    def _is_open(self) -> bool:
        return self.state in (WorkState.QUEUED, WorkState.PROCESSING)

    def waiting(self) -> datetime | None:
        return self.due_on if self._is_open else None


# How long a failed export is displayed.
FAILURE_SHOWN = timedelta(days=7)


class Export(_Request):
    """A request for an archive of all of a user's data."""

    table: ClassVar[Table] = tables.EXPORTS

    #: Number of parts by table, while the archive is being built.
    parts: dict[str, Count] = Field(default_factory=dict)
    archive: str = ""
    size: Count = 0
    sha256: str = ""
    #: URL of the download.
    link: str = ""
    #: The secret of the URL, which the download function compares.
    ticket: str = ""
    #: When the archive and every link to it expire.
    expires_at: Timestamp | None = None

    def aging(self) -> tuple[str, datetime] | None:
        if self.failed_at:
            return "", self.failed_at + FAILURE_SHOWN
        return ("", self.expires_at) if self.expires_at else None


class Deletion(_Request):
    """A request to delete an account.

    The row remains as evidence, with counts and without personal data.
    """

    table: ClassVar[Table] = tables.DELETIONS

    id: Id = ONLY
    reason: str = Field(default="", max_length=200)
    #: Number of deleted rows and files, by kind.
    deleted: dict[str, Count] = Field(default_factory=dict)
