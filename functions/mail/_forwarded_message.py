"""A message as it is forwarded: from the alias, so that its sender is ours to vouch for; answers go to who wrote it."""

from __future__ import annotations

import re
from contextlib import suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import HeaderParser
from email.policy import SMTP

from shared.mail.message import MailRefused
from shared.mail.sending import address

END_OF_HEAD = re.compile(rb"\r\n\r\n|\n\n|\r\r")
# A header with the lines that continue it.
FIELD = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|$)(?:[ \t][^\r\n]*(?:\r\n|\r|\n|$))*")
# Said anew, or untrue once the sender is another one.
REPLACED = (b"from", b"reply-to", b"sender", b"return-path", b"bcc", b"dkim-signature")
LONGEST_NAME = 100
# RFC 5322 has lines of 998 characters; a sender that takes more is not worth the time that it takes to read.
LONGEST_SENDER = 4 * 998


def forwarded(message: bytes, alias: str) -> bytes:
    """Everything else stays as it came, byte for byte. Raises MailRefused for an alias that is no address."""
    cut = END_OF_HEAD.search(message)
    head, body = (message[: cut.start()], message[cut.end() :]) if cut else (message, b"")
    fields = [(each.partition(b":")[0].strip().lower(), each) for each in FIELD.findall(head)]
    kept = [each for name, each in fields if name not in REPLACED]
    said = [each for name, each in fields if name in (b"from", b"reply-to")]
    return (
        _sender(said, address(alias))
        + b"".join(each.rstrip(b"\r\n") + b"\r\n" for each in kept if each)
        + b"\r\n"
        + body
    )


def _sender(said: list[bytes], alias: str) -> bytes:
    """From and Reply-To, made of what the message says for them."""
    written = EmailMessage(SMTP)
    try:
        author, answer_to = _authors(said)
        name = f"{author.display_name} ({author.addr_spec})".strip()
        written["From"] = Address(_plain(name), addr_spec=alias)
        if answer_to:
            written["Reply-To"] = tuple(answer_to)
    except (TypeError, ValueError, AttributeError, LookupError, MessageError, RecursionError):
        # Whoever wrote it cannot be told from it.
        del written["From"], written["Reply-To"]
        written["From"] = alias
    return written.as_bytes().partition(b"\r\n\r\n")[0].rstrip(b"\r\n") + b"\r\n"


def _authors(said: list[bytes]) -> tuple[Address, list[Address]]:
    """Who wrote it, and who is to be answered: nobody, where no mail of ours could go there."""
    if sum(map(len, said)) > LONGEST_SENDER:
        raise ValueError("is longer than any sender's name")
    # As it is since RFC 6532; what is older has ASCII alone.
    read = HeaderParser(policy=SMTP).parsestr(b"".join(said).decode(errors="replace"))
    [author, *_] = read["from"].addresses
    answer_to = []
    for one in (read["reply-to"].addresses if read["reply-to"] else ()) or (author,):
        with suppress(MailRefused):
            answer_to.append(Address(_plain(one.display_name), addr_spec=address(one.addr_spec)))
    return author, answer_to


def _plain(name: str) -> str:
    return "".join(sign for sign in name if sign.isprintable())[:LONGEST_NAME]
