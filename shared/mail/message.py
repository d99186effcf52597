"""Types of e-mail: the message, the relay, and the refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from shared.job.effect import NotPerformed


class RefusalKind(StrEnum):
    """Subject of a refusal; it decides whether a later attempt makes sense."""

    #: Our sender, account or configuration: no message is to blame, and operators must act.
    SENDER = "sender"
    #: This recipient or this message, for good.
    RECIPIENT = "recipient"
    #: Nothing yet: rate limit, greylisting, relay not available. No attempt was made.
    DEFERRED = "deferred"
    #: This attempt: nothing was accepted, a later attempt may succeed.
    TEMPORARY = "temporary"


class MailRefused(NotPerformed):
    """The relay did not accept the message: it may be sent again."""

    def __init__(
        self, reason: str, kind: RefusalKind, *, affects_all: bool = False, wait: float = 0, closing: bool = False
    ) -> None:
        super().__init__(reason)
        self.kind = kind
        #: Whether the reason is the relay or our account, and so holds for all messages.
        self.affects_all = affects_all
        #: Seconds that the relay asks to wait. Default: 0, unknown.
        self.wait = wait
        #: Whether the relay closes the connection.
        self.closing = closing

    @property
    def permanent(self) -> bool:
        """Whether a later attempt would be refused too."""
        return self.kind is RefusalKind.RECIPIENT

    @property
    def is_attempt(self) -> bool:
        """Whether the message was attempted.

        Otherwise it is deferred without counting an attempt.
        """
        return self.kind in (RefusalKind.RECIPIENT, RefusalKind.TEMPORARY)


class DeliveryUnknown(Exception):
    """The relay received the whole message and did not answer.

    It may have been sent.
    """

    def repeated(self) -> MailRefused:
        """Convert it to a refusal that is retried.

        The Message-ID is the same, by which a copy can be recognised.
        """
        return MailRefused(f"{self}; it may have been sent, and is sent again", RefusalKind.TEMPORARY)


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail message."""

    #: Bare addresses of the recipients: all of them receive it, or none.
    to: tuple[str, ...]
    subject: str
    text: str
    html: str = ""
    #: Default: MAIL_FROM.
    sender: str = ""
    reply_to: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Relay(Protocol):
    """A connection to SES or to an SMTP server, for many messages."""

    def send(self, mail: Mail, key: str) -> str:
        """Send a message and return the relay's id of it.

        key: makes the Message-ID, equal for the same message. Raises MailRefused where nothing was sent, and
        DeliveryUnknown where the relay has the message and did not answer. After any other error the message may have
        been sent.
        """

    def forward(self, message: bytes, to: str) -> str:
        """Send a complete message from MAIL_FROM. Returns and raises like `send`."""

    def close(self) -> None: ...
