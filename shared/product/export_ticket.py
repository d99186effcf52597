"""Tickets in download links.

They name an export and carry a secret that is compared with its row.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from typing import NamedTuple

FORM = re.compile(r"([A-Za-z0-9_-]{1,2048})\.([A-Za-z0-9_-]{43})")
# Separates the two ids, which never contain it.
SEPARATOR = "#"
# Characters of an id, as in `shared/store/record.py`; in UTF-8 they fit into a key of DynamoDB (1,024 bytes).
LONGEST_ID = 256


class NoTicket(ValueError):
    """The text is not a ticket."""


class Ticket(NamedTuple):
    """User and export that a link belongs to, and its secret.

    `str()` is the form used in URLs.
    """

    user: str
    export: str
    secret: str

    def __str__(self) -> str:
        ids = base64.urlsafe_b64encode(f"{self.user}{SEPARATOR}{self.export}".encode()).decode().rstrip("=")
        return f"{ids}.{self.secret}"

    def matches(self, secret: str) -> bool:
        """Compare secrets in constant time; an empty secret never matches."""
        return bool(secret) and hmac.compare_digest(self.secret.encode(), secret.encode())


def secret() -> str:
    """A new secret of 256 bits, as 43 characters for URLs."""
    return secrets.token_urlsafe(32)


def read(text: str) -> Ticket:
    """Parse the ticket of a link. Raises NoTicket."""
    match = FORM.fullmatch(text)
    if match is None:
        raise NoTicket("it does not have the form of a ticket")
    try:
        ids = base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4)).decode()
    except ValueError:
        raise NoTicket("its ids cannot be decoded") from None
    user, separator, export = ids.partition(SEPARATOR)
    if not user or not separator or not export:
        raise NoTicket("it does not name an export")
    if max(len(user), len(export)) > LONGEST_ID:
        # Longer than any id, and than a key of a row may be: a query for it would be an error.
        raise NoTicket("its ids are too long")
    return Ticket(user, export, match[2])
