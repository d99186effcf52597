"""What a link to an export bears: which one it is, and a secret that its row knows and nobody can guess."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from typing import NamedTuple

FORM = re.compile(r"([A-Za-z0-9_-]{1,2048})\.([A-Za-z0-9_-]{43})")
# Between the two ids, neither of which has one.
SIGN = "#"


class NoTicket(ValueError):
    """Text that no ticket looks like."""


class Ticket(NamedTuple):
    user: str
    export: str
    secret: str

    def __str__(self) -> str:
        named = base64.urlsafe_b64encode(f"{self.user}{SIGN}{self.export}".encode()).decode().rstrip("=")
        return f"{named}.{self.secret}"

    def fits(self, secret: str) -> bool:
        """In constant time, and never what a row without a secret says."""
        return bool(secret) and hmac.compare_digest(self.secret.encode(), secret.encode())


def secret() -> str:
    """256 bits, in 43 characters that an address may have."""
    return secrets.token_urlsafe(32)


def read(text: str) -> Ticket:
    """Raises NoTicket."""
    found = FORM.fullmatch(text)
    if found is None:
        raise NoTicket("it has not the form of one")
    try:
        named = base64.urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4)).decode()
    except ValueError:
        raise NoTicket("it names nothing") from None
    user, sign, export = named.partition(SIGN)
    if not user or not sign or not export:
        raise NoTicket("it names no export")
    return Ticket(user, export, found[2])
