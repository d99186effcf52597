"""SMTP server on loopback that stores mail, and fails on request."""

from __future__ import annotations

import asyncio
import ssl
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from shared.mail.route import Route
from tests.support.certificate import Certificate


class Box:
    """Mailbox of a relay: the mail that it accepted, and its behaviour.

    The attribute `says` contains the response by command. drops: close the connection after the mail. waits: seconds
    before a response.
    """

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.sessions: list[Session] = []
        self.says: dict[str, str] = {}
        self.drops = False
        self.waits = 0.0

    async def handle_MAIL(  # noqa: N802, PLR0913, RUF100 - a name that aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if "MAIL" in self.says:
            return self.says["MAIL"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.says:
            return self.says[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        self.envelopes.append(envelope)
        self.sessions.append(session)
        await asyncio.sleep(self.waits)
        if self.drops:
            cast("asyncio.Transport", server.transport).abort()
        return self.says.get("DATA", "250 taken as m-1")


class OnAnyPort(Controller):
    """Controller that supports port 0."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()  # type: ignore[no-untyped-call]


class Post:
    """Servers with one mailbox, one per URL scheme."""

    def __init__(self, box: Box, certificate: Certificate) -> None:
        self.box = box
        self.certificate = certificate
        self._running: list[OnAnyPort] = []

    def serve(self, scheme: str = "smtp", **options: Any) -> Route:
        """Start a server for a scheme; its URL."""
        tls: ssl.SSLContext = self.certificate.server()
        if scheme == "smtps":
            options["ssl_context"] = tls
        elif scheme == "smtp":
            options = {"tls_context": tls, "require_starttls": True, **options}
        made = OnAnyPort(self.box, hostname="127.0.0.1", port=0, **options)
        made.start()
        self._running.append(made)
        return Route(scheme, "127.0.0.1", made.port)

    def stop(self) -> None:
        for made in self._running:
            made.stop()
        self._running.clear()
