"""SMTP server that records recipient and Message-ID of each mail."""

from __future__ import annotations

from email import message_from_bytes
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from proof.outside.received import ReceivedEffects


class CountingMailServer:
    """`with CountingMailServer(received) as server:` accepts mail on a free port."""

    def __init__(self, received: ReceivedEffects) -> None:
        self.received = received
        self.port = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        key = str(message_from_bytes(content)["Message-ID"] or "")
        for recipient in envelope.rcpt_tos:
            self.received.add("mail", recipient, key)
        return "250 accepted"

    def __enter__(self) -> Self:
        self._controller = _OnFreePort(self)
        self._controller.start()
        self.port = self._controller.port
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


class _OnFreePort(Controller):
    """Controller on port 0, to which the base class would connect."""

    def __init__(self, handler: CountingMailServer) -> None:
        super().__init__(handler, hostname="127.0.0.1", port=0)

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()  # type: ignore[no-untyped-call]
