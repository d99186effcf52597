"""MIME form of an e-mail message, and its addresses."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from shared.mail.message import Mail, MailRefused
from shared.mail.route import SENDER

if TYPE_CHECKING:
    from email.message import EmailMessage


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
