"""SMTP server on loopback that stores mail as files and delivers nothing."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

# Bytes, the limit of SES.
MAX_BYTES = 40 * 1024 * 1024
# Mails. The oldest are deleted.
MAX_MAILS = 1000
ID = re.compile(r"[0-9]{8}T[0-9]{9}-[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class StoredMail:
    """A stored mail.

    `id` sorts by time of receipt; `to` is from the envelope.
    """

    id: str
    at: datetime
    sender: str
    to: tuple[str, ...]
    message: EmailMessage

    @property
    def text(self) -> str:
        body = self.message.get_body(("plain", "html"))
        return str(body.get_content()) if body is not None else ""

    @property
    def html(self) -> str:
        body = self.message.get_body(("html",))
        return str(body.get_content()) if body is not None else ""


class SmtpServer:
    """`with SmtpServer(folder, port) as box:` accepts mail.

    On a free port if that one is in use.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        self.requested_port = port
        self.port = 0

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._server = _OnPort(_MailHandler(self.folder), self.requested_port)
            self._server.start()
        except OSError:
            self._server = _OnPort(_MailHandler(self.folder), 0)
            self._server.start()
        self.port = self._server.port
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()


def stored_mails(folder: Path) -> Iterator[StoredMail]:
    """All mails, the newest first."""
    for path in sorted(folder.glob("*.eml"), reverse=True):
        yield _read(path)


def stored_mail(folder: Path, name: str) -> StoredMail | None:
    path = folder / f"{name}.eml"
    return _read(path) if ID.fullmatch(name) and path.is_file() else None


def _read(path: Path) -> StoredMail:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    to = str(message["X-Envelope-To"] or "").split(", ")
    at = datetime.strptime(path.stem[:18], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
    return StoredMail(path.stem, at, str(message["From"] or ""), tuple(filter(None, to)), message)


class _MailHandler:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        now = datetime.now(UTC)
        name = f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}-{secrets.token_hex(3)}"
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        head = f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n"
        unfinished = self.folder / f"{name}.new"
        unfinished.write_bytes(head.encode() + content)
        unfinished.rename(unfinished.with_suffix(".eml"))
        for oldest in sorted(self.folder.glob("*.eml"))[:-MAX_MAILS]:
            oldest.unlink(missing_ok=True)
        return f"250 stored as {name}"


class _Smtp(SMTP):
    """SMTP that ends connections which begin as HTTP.

    A web page can put a mail into the body of a request.
    """

    async def smtp_POST(self, _: str | None) -> None:  # noqa: N802 - the name that aiosmtpd calls
        await self.push("421 this is not an HTTP server")
        assert self.transport
        self.transport.close()

    smtp_GET = smtp_HEAD = smtp_PUT = smtp_PATCH = smtp_DELETE = smtp_OPTIONS = smtp_CONNECT = smtp_POST  # noqa: N815


class _OnPort(Controller):
    """Controller that supports port 0.

    The base class would connect to port 0 to check that its server has started.
    """

    def __init__(self, handler: _MailHandler, port: int) -> None:
        super().__init__(handler, hostname="127.0.0.1", port=port, data_size_limit=MAX_BYTES)

    def factory(self) -> SMTP:
        return _Smtp(self.handler, **self.SMTP_kwargs)

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()  # type: ignore[no-untyped-call]
