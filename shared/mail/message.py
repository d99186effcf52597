"""An e-mail message, and the relay that takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.job.effect import NotPerformed


class MailRefused(NotPerformed):
    """The relay said no, or was not there: nothing was sent. permanent: no later try can end otherwise.

    everyone: it is about the relay, or what it allows us, and not about this mail.
    """

    def __init__(self, why: str, *, permanent: bool, everyone: bool = False) -> None:
        super().__init__(why)
        self.permanent = permanent
        self.everyone = everyone


@dataclass(frozen=True, slots=True)
class Mail:
    """to: addresses, all of which get it or none. sender: MAIL_FROM where it isn't said."""

    to: tuple[str, ...]
    subject: str
    text: str
    html: str = ""
    sender: str = ""
    reply_to: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Relay(Protocol):
    """Takes messages; one connection may carry many of them."""

    def send(self, mail: Mail, key: str) -> str:
        """Hand it over; returns what the relay calls it. From `key` comes the Message-ID, the same for the same mail.

        Raises MailRefused where nothing was sent. Anything else leaves open whether it was.
        """

    def forward(self, message: bytes, to: str) -> str:
        """Hand over a message as it is, from MAIL_FROM on its envelope. Returns and raises as `send` does."""

    def close(self) -> None: ...
