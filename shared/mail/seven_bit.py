"""Encode complete messages in 7 bits, and their headers in ASCII.

For relays without 8BITMIME, and without SMTPUTF8. Works on bytes: parts, lines and headers that need no change stay as
they are.
"""

from __future__ import annotations

import re
from base64 import encodebytes
from email.errors import MessageError
from email.message import EmailMessage, Message
from email.parser import HeaderParser
from email.policy import SMTP, compat32
from quopri import encodestring

from shared.mail.message import MailRefused, RefusalKind
from shared.mail.mime import header_address
from shared.text.mail_address import InvalidAddress, MailAddress, parse_address

# RFC 5321, section 4.5.3.1.6: 1,000 octets with the line's end.
LONGEST_LINE = 998
# Multiparts and messages within each other.
MAX_DEPTH = 32
MAX_PARTS = 10_000
# Longer address headers are not parsed: that takes more than linear time.
LONGEST_PARSED = 4 * 998
END_OF_HEAD = re.compile(rb"\r\n\r\n")
# A header with the lines that continue it.
FIELD = re.compile(rb"[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")
OUTSIDE_ASCII = re.compile(rb"[\x80-\xff]")
TOO_LONG = re.compile(rb"(?m)^[^\n]{%d}" % (LONGEST_LINE + 2))
ENCODING = b"content-transfer-encoding"
ADDRESSES = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc", b"resent-from", b"resent-to", b"resent-cc")
# Headers of free text, where RFC 2047 allows encoded words; so do the x- headers.
UNSTRUCTURED = (b"subject", b"comments", b"keywords", b"content-description", b"thread-topic", b"organization")
PARAMETERS = (b"content-type", b"content-disposition")
# Bytes of text in one encoded word, which has at most 75 characters.
WORD = 42


def needs_eight_bits(message: bytes) -> bool:
    """Whether the body has bytes outside ASCII."""
    end = END_OF_HEAD.search(message)
    return end is not None and OUTSIDE_ASCII.search(message, end.end()) is not None


def has_long_lines(message: bytes) -> bool:
    return TOO_LONG.search(message) is not None


def in_seven_bits(message: bytes) -> bytes:
    """Encode bodies outside ASCII, and lines that are too long.

    As quoted-printable or base64. The lines of the message end in CRLF.

    Raises MailRefused where parts are nested deeper, or are more, than in any real message.
    """
    return _encoded(message, 0)


def ascii_headers(message: bytes) -> bytes:
    """Encode the headers of the message; the body stays as it is."""
    head, rest = _split(message)
    return _ascii_fields(head) + rest


def _encoded(entity: bytes, depth: int) -> bytes:
    if OUTSIDE_ASCII.search(entity) is None and not has_long_lines(entity):
        return entity
    if depth > MAX_DEPTH:
        raise MailRefused(f"the message has parts within {MAX_DEPTH} parts, and 8-bit text", RefusalKind.RECIPIENT)
    head, rest = _split(entity)
    head, blank, body = _ascii_fields(head), rest[:2], rest[2:]
    about = _content_headers(head)
    kind, boundary = about.get_content_type(), about.get_boundary()
    if kind.startswith("multipart/") and boundary:
        return _relabelled(head, b"7bit") + blank + _encoded_parts(body, boundary.encode(), depth)
    current = str(about.get("content-transfer-encoding", "7bit")).strip().lower()
    if kind == "message/rfc822" and current in ("7bit", "8bit", "binary"):
        return _relabelled(head, b"7bit") + blank + _encoded(body, depth + 1)
    return _encoded_leaf(head, blank or b"\r\n", body, about, current)


def _content_headers(head: bytes) -> Message:
    fields = [field for field in FIELD.findall(head) if field[:8].lower() == b"content-"]
    if not fields:
        return Message()
    return HeaderParser(policy=compat32).parsestr(b"".join(fields).decode("ascii", "replace"), headersonly=True)


def _encoded_leaf(head: bytes, blank: bytes, body: bytes, about: Message, current: str) -> bytes:
    if OUTSIDE_ASCII.search(body) is None and not has_long_lines(body):
        return head + blank + body
    if current not in ("7bit", "8bit", "binary"):
        # Already encoded, by its label: bytes outside ASCII are no part of the encoding.
        return head + blank + OUTSIDE_ASCII.sub(b"?", body)
    if about.get_content_maintype() == "text":
        encoded, label = encodestring(body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n"), b"quoted-printable"
    else:
        encoded, label = encodebytes(body).replace(b"\n", b"\r\n"), b"base64"
    return _relabelled(head, label) + blank + encoded


def _encoded_parts(body: bytes, boundary: bytes, depth: int) -> bytes:
    """Encode the parts between the boundaries of a multipart."""
    delimiter = re.compile(rb"(?:\A|\r\n)--%s(?:--)?[ \t]*(?=\r\n|\Z)" % re.escape(boundary))
    made: list[bytes] = []
    at, inside = 0, False
    for found in delimiter.finditer(body):
        if len(made) > 2 * MAX_PARTS:
            raise MailRefused(f"the message has more than {MAX_PARTS:,} parts, and 8-bit text", RefusalKind.RECIPIENT)
        made += [_part(body[at : found.start()], inside, depth), found[0]]
        at, inside = found.end(), not found[0].rstrip(b" \t").endswith(b"--" + boundary + b"--")
    return b"".join([*made, _part(body[at:], inside, depth)])


def _part(between: bytes, inside: bool, depth: int) -> bytes:
    """Encode a part, or the text around parts.

    A part begins with the end of its boundary's line.
    """
    if not inside:
        return OUTSIDE_ASCII.sub(b"?", between)
    return between[:2] + _encoded(between[2:], depth + 1)


def _split(entity: bytes) -> tuple[bytes, bytes]:
    """Headers with their line ends, and the rest.

    The rest begins with the blank line.
    """
    if entity.startswith(b"\r\n"):
        return b"", entity
    end = END_OF_HEAD.search(entity)
    return (entity[: end.start() + 2], entity[end.start() + 2 :]) if end else (entity, b"")


def _relabelled(head: bytes, encoding: bytes) -> bytes:
    """The headers with another Content-Transfer-Encoding."""
    others = [field for field in FIELD.findall(head) if _name(field) != ENCODING]
    return b"".join(others) + b"Content-Transfer-Encoding: " + encoding + b"\r\n"


def _ascii_fields(head: bytes) -> bytes:
    if OUTSIDE_ASCII.search(head) is None:
        return head
    if not head.endswith(b"\r\n"):
        head += b"\r\n"
    return b"".join(_ascii_field(each) if OUTSIDE_ASCII.search(each) else each for each in FIELD.findall(head))


def _ascii_field(field: bytes) -> bytes:
    """One header in ASCII.

    Encoded where its syntax allows that, else with question marks.
    """
    name, label = _name(field), field.partition(b":")[0]
    value = field.partition(b":")[2].replace(b"\r\n", b"").strip().decode(errors="replace")
    if OUTSIDE_ASCII.search(label):
        return b""
    try:
        if name in UNSTRUCTURED or name.startswith(b"x-"):
            return label + b": " + _words(value) + b"\r\n"
        if name in ADDRESSES and len(field) <= LONGEST_PARSED:
            return _address_field(label.decode(), value)
        if name in PARAMETERS and len(field) <= LONGEST_PARSED:
            parsed = HeaderParser(policy=SMTP).parsestr(f"{label.decode()}: {value}\r\n")
            folded: str = SMTP.fold(label.decode(), parsed[label.decode()])
            return folded.encode("ascii", "replace")
    except (TypeError, ValueError, AttributeError, LookupError, MessageError, RecursionError):
        # A header that the parser does not understand.
        return OUTSIDE_ASCII.sub(b"?", field)
    return OUTSIDE_ASCII.sub(b"?", field)


def _address_field(label: str, value: str) -> bytes:
    """Encode the names of an address header.

    An address outside ASCII becomes an empty group with its text (RFC 6857, section 3.1.2).
    """
    from email.headerregistry import Group

    parsed = HeaderParser(policy=SMTP).parsestr(f"{label}: {value}\r\n")[label]
    made = EmailMessage(SMTP)
    members: list[object] = []
    address: MailAddress | None
    for each in parsed.addresses:
        try:
            address = parse_address(each.addr_spec)
        except InvalidAddress:
            address = None
        if address and address.is_ascii:
            members.append(header_address(each.display_name, address))
        else:
            members.append(Group(f"{each.display_name} ({each.addr_spec})".strip()))
    made[label] = tuple(members)
    return made.as_bytes().partition(b"\r\n\r\n")[0].rstrip(b"\r\n") + b"\r\n"


def _words(text: str) -> bytes:
    """Encoded words of RFC 2047, one to a line."""
    from base64 import b64encode

    pieces, piece = [], b""
    for character in text:
        encoded = character.encode()
        if len(piece) + len(encoded) > WORD:
            pieces.append(piece)
            piece = b""
        piece += encoded
    return b"\r\n ".join(b"=?utf-8?b?" + b64encode(each) + b"?=" for each in (*pieces, piece))


def _name(field: bytes) -> bytes:
    return field.partition(b":")[0].strip().lower()
