"""Forwarded messages, sent from the alias, which DKIM can sign.

Replies are directed to the author.
"""

from __future__ import annotations

import re
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import HeaderParser
from email.policy import SMTP

from shared.mail.mime import ascii_recipient, header_address
from shared.text.mail_address import InvalidAddress, MailAddress, parse_address

LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|\Z)")
FIELD_NAME = re.compile(rb"[!-9;-~\x80-\xff]+[ \t]*:")
# First line of a message in a mailbox file; it is no header.
ENVELOPE = b"From "
# Headers that are replaced, or wrong once the sender is another one.
REPLACED = (b"from", b"reply-to", b"sender", b"return-path", b"bcc", b"dkim-signature")
LONGEST_NAME = 100
# RFC 5322 limits a line to 998 characters; parsing longer sender headers takes too much time.
LONGEST_SENDER = 4 * 998
# Written where there is no Reply-To: an answer goes to the alias then.
NO_REPLY_TO = "X-No-Reply-To"


def forwarded(message: bytes, alias: str, key: str = "") -> bytes:
    """Replace the sender headers; all else is unchanged.

    key: makes the Message-ID of a message that has none, so that a repeated delivery can be recognised.

    Raises MailRefused if the alias is no e-mail address.
    """
    address = ascii_recipient(alias)
    head, body = header_fields(message)
    fields = [(each.partition(b":")[0].strip().lower(), each) for each in head]
    unchanged = [each for name, each in fields if name not in REPLACED]
    senders = [each for name, each in fields if name in (b"from", b"reply-to")]
    identity = b""
    if key and not any(name == b"message-id" for name, _ in fields):
        identity = f"Message-ID: <{key}@{address.domain}>\r\n".encode()
    return (
        _sender_headers(senders, address)
        + identity
        + b"".join(each.rstrip(b"\r\n") + b"\r\n" for each in unchanged)
        + b"\r\n"
        + body
    )


def header_fields(message: bytes) -> tuple[list[bytes], bytes]:
    """Headers, each with the lines that continue it, and the body.

    The headers end at a blank line, or before the first line that is no header.
    """
    fields: list[list[bytes]] = []
    at = 0
    while at < len(message):
        line = LINE.match(message, at)
        assert line is not None
        if not line[1]:
            at = line.end()
            break
        if fields and line[1][:1] in b" \t":
            fields[-1].append(line[0])
        elif FIELD_NAME.match(line[1]):
            fields.append([line[0]])
        elif at or not line[1].startswith(ENVELOPE):
            break
        at = line.end()
    return [b"".join(lines) for lines in fields], message[at:]


def _sender_headers(senders: list[bytes], alias: MailAddress) -> bytes:
    """New From and Reply-To headers, from the original ones."""
    headers = EmailMessage(SMTP)
    try:
        author, reply_to = _addresses(senders)
        name = f"{author.display_name} ({author.addr_spec})".strip()
        headers["From"] = header_address(_printable(name), alias)
        if reply_to:
            headers["Reply-To"] = tuple(reply_to)
        else:
            headers[NO_REPLY_TO] = "the author's address is invalid, or not in ASCII, which relays require"
    except (TypeError, ValueError, AttributeError, LookupError, MessageError, RecursionError):
        for field in ("From", "Reply-To", NO_REPLY_TO):
            del headers[field]
        headers["From"] = str(alias)
        headers[NO_REPLY_TO] = "the author's address is missing or invalid"
    return headers.as_bytes().partition(b"\r\n\r\n")[0].rstrip(b"\r\n") + b"\r\n"


def _addresses(senders: list[bytes]) -> tuple[Address, list[Address]]:
    """Author, and the addresses to reply to.

    Without addresses that cannot be written in ASCII.
    """
    if sum(map(len, senders)) > LONGEST_SENDER:
        raise ValueError("is longer than a sender header can be")
    # UTF-8 since RFC 6532; older headers are ASCII.
    headers = HeaderParser(policy=SMTP).parsestr(b"".join(senders).decode(errors="replace"))
    [author, *_] = headers["from"].addresses
    given = (headers["reply-to"].addresses if headers["reply-to"] else ()) or (author,)
    found = [(each, _reply_address(each)) for each in given]
    return author, [header_address(_printable(each.display_name), reply) for each, reply in found if reply]


def _reply_address(given: Address) -> MailAddress | None:
    """The address; None for one that is invalid or outside ASCII."""
    try:
        address = parse_address(given.addr_spec)
    except InvalidAddress:
        return None
    return address if address.is_ascii else None


def _printable(name: str) -> str:
    return "".join(character for character in name if character.isprintable())[:LONGEST_NAME]
