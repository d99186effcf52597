"""MIME form of an e-mail message, and its addresses."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from shared.mail.message import Mail, MailRefused, RefusalKind
from shared.mail.route import SENDER
from shared.text.mail_address import InvalidAddress, MailAddress, parse_address, parse_named_address

if TYPE_CHECKING:
    from email.headerregistry import Address
    from email.message import EmailMessage


def render(mail: Mail, key: str, at: datetime, sender: str) -> EmailMessage:
    """Render a message in MIME format.

    The body is in 7 bits, which every relay accepts. Headers are ASCII too, unless a recipient's address is not.

    Raises MailRefused without a sender or a recipient, for an invalid address, and for a line break in a header.
    """
    from email.message import EmailMessage
    from email.utils import format_datetime

    from shared.mail.folding import LosslessPolicy

    name, source = sender_address(mail.sender or sender)
    recipients = [recipient(one) for one in mail.to]
    if not recipients:
        raise MailRefused(f"the mail {mail.subject!r:.60} has no recipient", RefusalKind.RECIPIENT)
    utf8 = not all(one.is_ascii for one in recipients)
    message = EmailMessage(LosslessPolicy(linesep="\r\n", utf8=utf8, cte_type="7bit"))
    try:
        headers = {
            "From": header_address(name, source),
            "To": tuple(header_address("", one) for one in recipients),
            "Subject": mail.subject,
            "Reply-To": header_address(*parse_named_address(mail.reply_to)) if mail.reply_to else "",
            "Date": format_datetime(at),
            "Message-ID": f"<{key}@{source.domain}>",
            # Keeps auto-replies away (RFC 3834).
            "Auto-Submitted": "auto-generated",
            **mail.headers,
        }
        for field, value in headers.items():
            if value:
                message[field] = value
        message.set_content(mail.text)
        if mail.html:
            message.add_alternative(mail.html, subtype="html")
    except ValueError as error:
        reason = f"the mail {mail.subject!r:.60} cannot be rendered: {error}"
        raise MailRefused(reason, RefusalKind.RECIPIENT) from None
    return message


def header_address(name: str, address: MailAddress) -> Address:
    """An address as a header's value; the header encodes the name."""
    from email.headerregistry import Address

    return Address(name, address.unquoted_local, address.domain)


def sender_address(text: str) -> tuple[str, MailAddress]:
    """Name and address of a sender. Raises MailRefused, which refuses no recipient."""
    if not text:
        raise MailRefused(f"the mail has no sender; set {SENDER.name}", RefusalKind.SENDER, affects_all=True)
    try:
        name, address = parse_named_address(text)
        if not address.is_ascii:
            raise InvalidAddress("is not in ASCII before the @, which few relays accept of a sender")
    except InvalidAddress as error:
        reason = f"the sender {text!r:.80} {error}; correct {SENDER.name}"
        raise MailRefused(reason, RefusalKind.SENDER, affects_all=True) from None
    return name, address


def recipient(text: str) -> MailAddress:
    """A bare address to send to. Raises MailRefused."""
    try:
        return parse_address(text)
    except InvalidAddress:
        raise _no_address(text) from None


def ascii_recipient(text: str) -> MailAddress:
    """A bare address for relays and headers in ASCII. Raises MailRefused."""
    address = recipient(text)
    if not address.is_ascii:
        raise _no_address(text)
    return address


def address(text: str) -> str:
    """`ada@example.com` out of `Ada <ada@example.com>`, in ASCII. Raises MailRefused."""
    try:
        _, found = parse_named_address(text)
    except InvalidAddress:
        raise _no_address(text) from None
    return str(ascii_recipient(str(found)))


def _no_address(text: str) -> MailRefused:
    return MailRefused(f"{text!r:.80} is no address that mail can be sent to", RefusalKind.RECIPIENT)
