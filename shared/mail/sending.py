"""Send e-mail through the configured relay: SES or an SMTP server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.aws.permissions import Grant, read_secret, send_mail
from shared.job import settings
from shared.job.setting import Setting
from shared.mail.message import Mail, MailRefused, Relay

if TYPE_CHECKING:
    from email.message import EmailMessage

    from shared.run.context import RunContext

# JSON with `user` and `password`; without a value for a relay without authentication.
SECRET = "mail-relay"
PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Route:
    """Where e-mail is sent."""

    #: ses, smtp (STARTTLS is required), smtps (TLS from the start) or smtp+plain (loopback only).
    scheme: str
    host: str = ""
    port: int = 0


def route(text: str) -> Route:
    """Parse `ses`, `smtp://relay.example:587` or `smtps://relay.example`. Raises ValueError."""
    if text.strip().lower() == "ses":
        return Route("ses")
    parts = urlsplit(text.strip())
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("use ses, smtp://host:587 for STARTTLS, or smtps://host:465 for TLS")
    if "@" in parts.netloc:
        raise ValueError(f"contains credentials; put them into the secret {SECRET}")
    if parts.scheme == "smtp+plain" and parts.hostname not in LOOPBACK:
        raise ValueError("unencrypted mail is sent to this machine only; use smtp:// or smtps://")
    return Route(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme])


RELAY = Setting("MAIL_RELAY", "ses", "Relay for e-mail: ses, smtp://host:587 (STARTTLS) or smtps://host:465", route)
SENDER = settings.text("MAIL_FROM", "", "Sender of e-mail; with SES an address of a verified identity")
# A job that sends e-mail declares these settings and grants.
SETTINGS = (RELAY, SENDER)
GRANTS: tuple[Grant, ...] = (send_mail(), read_secret(SECRET))


def relay(run: RunContext) -> Relay:
    """The relay of the job's settings; it connects at its first message."""
    from shared.mail import relay

    return relay.open_relay(run.cloud, run.setting(RELAY.name), run.setting(SENDER.name))


def render(mail: Mail, key: str, at: datetime, sender: str) -> EmailMessage:
    """Render a message in MIME format.

    Raises MailRefused without a sender, or for a line break in a header.
    """
    from email.message import EmailMessage
    from email.policy import SMTP
    from email.utils import format_datetime

    sender = mail.sender or sender
    if not sender or not mail.to:
        missing = "recipient" if sender else f"sender; set {SENDER.name}"
        raise MailRefused(f"the mail {mail.subject!r:.60} has no {missing}", permanent=True)
    message = EmailMessage(SMTP)
    headers = {
        "From": sender,
        "To": ", ".join(mail.to),
        "Subject": mail.subject,
        "Reply-To": mail.reply_to,
        "Date": format_datetime(at),
        "Message-ID": f"<{key}@{address(sender).rpartition('@')[2]}>",
        # Keeps auto-replies away (RFC 3834).
        "Auto-Submitted": "auto-generated",
        **mail.headers,
    }
    try:
        for name, value in headers.items():
            if value:
                message[name] = value
        message.set_content(mail.text)
        if mail.html:
            message.add_alternative(mail.html, subtype="html")
    except ValueError as error:
        raise MailRefused(f"the mail {mail.subject!r:.60} cannot be rendered: {error}", permanent=True) from None
    return message


def address(text: str) -> str:
    """`ada@example.com` out of `Ada <ada@example.com>`, its domain in ASCII. Raises MailRefused."""
    from email.utils import parseaddr

    local, at, domain = parseaddr(text)[1].rpartition("@")
    try:
        if not local or not at or not domain or not local.isascii() or any(map(str.isspace, local + domain)):
            raise ValueError
        return f"{local}@{domain.encode('idna').decode()}"
    except ValueError:
        raise MailRefused(f"{text!r:.80} is no address that mail can be sent to", permanent=True) from None
