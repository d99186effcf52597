"""Forwarded messages, sent from the alias, which DKIM can sign.

Replies are directed to the author.
"""

from __future__ import annotations

import re
from contextlib import suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import HeaderParser
from email.policy import SMTP

from shared.mail.message import MailRefused
from shared.mail.mime import address

END_OF_HEAD = re.compile(rb"\r\n\r\n|\n\n|\r\r")
# A header with the lines that continue it.
FIELD = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|$)(?:[ \t][^\r\n]*(?:\r\n|\r|\n|$))*")
# Headers that are replaced, or wrong once the sender is another one.
REPLACED = (b"from", b"reply-to", b"sender", b"return-path", b"bcc", b"dkim-signature")
LONGEST_NAME = 100
# RFC 5322 limits a line to 998 characters; parsing longer sender headers takes too much time.
LONGEST_SENDER = 4 * 998


def forwarded(message: bytes, alias: str) -> bytes:
    """Replace the sender headers; all else is unchanged.

    Raises MailRefused if the alias is no e-mail address.
    """
    end = END_OF_HEAD.search(message)
    head, body = (message[: end.start()], message[end.end() :]) if end else (message, b"")
    fields = [(each.partition(b":")[0].strip().lower(), each) for each in FIELD.findall(head)]
    unchanged = [each for name, each in fields if name not in REPLACED]
    senders = [each for name, each in fields if name in (b"from", b"reply-to")]
    return (
        _sender_headers(senders, address(alias))
        + b"".join(each.rstrip(b"\r\n") + b"\r\n" for each in unchanged if each)
        + b"\r\n"
        + body
    )


def _sender_headers(senders: list[bytes], alias: str) -> bytes:
    """New From and Reply-To headers, from the original ones."""
    headers = EmailMessage(SMTP)
    try:
        author, reply_to = _addresses(senders)
        name = f"{author.display_name} ({author.addr_spec})".strip()
        headers["From"] = Address(_printable(name), addr_spec=alias)
        if reply_to:
            headers["Reply-To"] = tuple(reply_to)
    except (TypeError, ValueError, AttributeError, LookupError, MessageError, RecursionError):
        # The author cannot be parsed.
        del headers["From"], headers["Reply-To"]
        headers["From"] = alias
    return headers.as_bytes().partition(b"\r\n\r\n")[0].rstrip(b"\r\n") + b"\r\n"


def _addresses(senders: list[bytes]) -> tuple[Address, list[Address]]:
    """Author, and the addresses to reply to.

    Without addresses that cannot receive mail.
    """
    if sum(map(len, senders)) > LONGEST_SENDER:
        raise ValueError("is longer than a sender header can be")
    # UTF-8 since RFC 6532; older headers are ASCII.
    headers = HeaderParser(policy=SMTP).parsestr(b"".join(senders).decode(errors="replace"))
    [author, *_] = headers["from"].addresses
    reply_to = []
    for each in (headers["reply-to"].addresses if headers["reply-to"] else ()) or (author,):
        with suppress(MailRefused):
            reply_to.append(Address(_printable(each.display_name), addr_spec=address(each.addr_spec)))
    return author, reply_to


def _printable(name: str) -> str:
    return "".join(character for character in name if character.isprintable())[:LONGEST_NAME]
