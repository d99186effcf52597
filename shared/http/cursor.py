"""Cursors of listings: opaque to clients, and bound to their listing."""

from __future__ import annotations

import base64
import binascii

from shared.http.problem import INVALID_CURSOR, Problem

# Characters of a cursor. Its key is then shorter than the 1,024 bytes that DynamoDB accepts as a sort key.
MAX_CURSOR = 1000


def encode(listing: str, key: str) -> str:
    """The cursor after the entry with this key."""
    return base64.urlsafe_b64encode(f"{listing}\n{key}".encode()).decode().rstrip("=")


def decode(listing: str, cursor: str) -> str:
    """The key of a cursor.

    Raises Problem for one of another listing.
    """
    of, _, key = _text(cursor).partition("\n")
    if len(cursor) > MAX_CURSOR or of != listing or not key:
        raise Problem(INVALID_CURSOR, f"the cursor is not one of the listing {listing}")
    return key


def listing_of(cursor: str) -> str:
    """The listing of a cursor.

    Raises Problem for a text that is no cursor.
    """
    of, _, key = _text(cursor).partition("\n")
    if not key:
        raise Problem(INVALID_CURSOR, "the cursor is none of this API")
    return of


def _text(cursor: str) -> str:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        return ""
