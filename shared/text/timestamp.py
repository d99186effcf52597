"""Timestamps from outside: RFC 3339 only.

`datetime.fromisoformat` accepts week dates and basic forms; pydantic takes digits as seconds since 1970.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

# RFC 3339, section 5.6. A space instead of T is allowed there; digits are ASCII.
FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
# Earlier values mean that a time was never set (1970, the year 1); later ones overflow calendars.
FIRST, LAST = datetime(1980, 1, 1, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
EXAMPLE = "2026-11-21T22:05:00.123Z"


class InvalidTimestamp(ValueError):
    """Not an RFC 3339 timestamp of the years 1980 to 9999."""


def parse_timestamp(text: str) -> datetime:
    """Parse an RFC 3339 timestamp into UTC.

    Raises InvalidTimestamp.
    """
    if not FORM.fullmatch(text):
        raise InvalidTimestamp(f"is not a timestamp; write it as {EXAMPLE} (RFC 3339)")
    try:
        timestamp = datetime.fromisoformat(text.upper().replace(" ", "T"))
    except ValueError as error:
        raise InvalidTimestamp(f"is not a timestamp: {error}") from None
    return in_range(timestamp)


def in_range(timestamp: datetime) -> datetime:
    """Return an aware timestamp in UTC.

    Raises InvalidTimestamp outside the years 1980 to 9999, and without a time zone.
    """
    if timestamp.tzinfo is None:
        raise InvalidTimestamp("has no time zone; end it with Z, or with an offset such as +01:00")
    if not FIRST <= timestamp <= LAST:
        raise InvalidTimestamp("lies outside the years 1980 to 9999")
    return timestamp.astimezone(UTC)
