"""Types of e-mail: the message, the relay, and the refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.job.effect import NotPerformed


class MailRefused(NotPerformed):
    """The relay refused the message or was not reachable: nothing was sent."""

    def __init__(self, reason: str, *, permanent: bool, affects_all: bool = False) -> None:
        super().__init__(reason)
        #: Whether a later attempt would be refused too.
        self.permanent = permanent
        #: Whether the reason is the relay or our account, and so holds for all messages.
        self.affects_all = affects_all


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail message."""

    #: Addresses of the recipients: all of them receive it, or none.
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

        key: makes the Message-ID, equal for the same message. Raises MailRefused where nothing was sent. After any
        other error the message may have been sent.
        """

    def forward(self, message: bytes, to: str) -> str:
        """Send a complete message from MAIL_FROM. Returns and raises like `send`."""

    def close(self) -> None: ...
