"""A message as it is forwarded: from the alias, so that its sender is ours to vouch for; answers go to who wrote it."""

from __future__ import annotations

import re
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import SMTP

END_OF_HEAD = re.compile(rb"\r\n\r\n|\n\n|\r\r")
# A header with the lines that continue it.
FIELD = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|$)(?:[ \t][^\r\n]*(?:\r\n|\r|\n|$))*")
# Said anew, or untrue once the sender is another one.
REPLACED = (b"from", b"reply-to", b"sender", b"return-path", b"bcc", b"dkim-signature")
LONGEST_NAME = 100


def forwarded(message: bytes, alias: str) -> bytes:
    """Everything else stays as it came, byte for byte."""
    cut = END_OF_HEAD.search(message)
    head, body = (message[: cut.start()], message[cut.end() :]) if cut else (message, b"")
    kept = [each for each in FIELD.findall(head) if each.partition(b":")[0].strip().lower() not in REPLACED]
    return _sender(head, alias) + b"".join(each.rstrip(b"\r\n") + b"\r\n" for each in kept if each) + b"\r\n" + body


def _sender(head: bytes, alias: str) -> bytes:
    read = BytesHeaderParser(policy=SMTP).parsebytes(head)
    written = EmailMessage(SMTP)
    try:
        [author, *_] = read["from"].addresses
        answer_to = read["reply-to"].addresses if read["reply-to"] else (author,)
        name = f"{author.display_name} ({author.addr_spec})".strip()
        written["From"] = Address(_plain(name), addr_spec=alias)
        written["Reply-To"] = tuple(Address(_plain(one.display_name), addr_spec=one.addr_spec) for one in answer_to)
    except (TypeError, ValueError, AttributeError, LookupError, MessageError):
        # Whoever wrote it cannot be told from it, or not answered.
        del written["From"], written["Reply-To"]
        written["From"] = alias
    return written.as_bytes().partition(b"\r\n\r\n")[0].rstrip(b"\r\n") + b"\r\n"


def _plain(name: str) -> str:
    return "".join(sign for sign in name if sign.isprintable())[:LONGEST_NAME]
