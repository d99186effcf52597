"""Sender and subject of a stored message, for notices to its user."""

from __future__ import annotations

from email.errors import MessageError
from email.parser import HeaderParser
from email.policy import SMTP
from typing import TYPE_CHECKING

from functions.mail._forwarded_message import header_fields
from shared.store.transient import is_transient
from shared.text.printable import printable

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Bytes of a message that are read: most headers are shorter.
HEAD = 64 * 1024
LONGEST = 150
# Longer headers are not parsed: that takes more than linear time.
LONGEST_FIELD = 4 * 998
UNKNOWN = {"sender": "unknown", "subject": "unknown"}


def sender_and_subject(cloud: Cloud, raw: str) -> dict[str, str]:
    """Values `sender` and `subject` of a notice.

    `unknown` for a message that S3 does not have, or refuses: a notice without these facts is better than none. Raises
    the error of a read that may succeed later, since the notice would not be corrected.
    """
    try:
        stored = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=raw, Range=f"bytes=0-{HEAD - 1}")
    except cloud.s3.exceptions.ClientError as error:
        if is_transient(error):
            raise
        return dict(UNKNOWN)
    head: bytes = stored["Body"].read()
    return facts(head)


def facts(head: bytes) -> dict[str, str]:
    """Values `sender` and `subject` from the beginning of a message."""
    fields, _ = header_fields(head)
    named = {each.partition(b":")[0].strip().lower(): each for each in reversed(fields)}
    sender, subject = (_text(named.get(name, b"")) for name in (b"from", b"subject"))
    return {"sender": sender or UNKNOWN["sender"], "subject": subject or "(none)"}


def _text(field: bytes) -> str:
    if not field or len(field) > LONGEST_FIELD:
        return ""
    try:
        parsed = HeaderParser(policy=SMTP).parsestr(field.decode(errors="replace"))
        text = " ".join(str(parsed.values()[0]).split())
    except (TypeError, ValueError, AttributeError, LookupError, MessageError, RecursionError):
        text = ""
    return printable(text)[:LONGEST]
