"""Source of the time, and the text forms of timestamps.

Tests and simulations replace the clock.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

# A date or a timestamp; to the day, the minute or more exactly. fromisoformat() also takes week dates and forms without
# separators.
FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)


class Clock:
    """System clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def milliseconds(timestamp: datetime) -> int:
    """Milliseconds since the epoch."""
    return round(timestamp.timestamp() * 1000)


# A timestamp in stored data that is further ahead of the clock was written by a machine with a wrong clock.
FURTHEST_AHEAD = timedelta(hours=1)


def iso(timestamp: datetime) -> str:
    """`2026-11-21T22:05:00.123Z`: fixed width, so that text sorts as time does."""
    return f"{timestamp.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{timestamp.microsecond // 1000:03d}Z"


def minute(timestamp: datetime) -> str:
    """`2026-11-21T22:05Z`."""
    return f"{timestamp.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def parse(text: str) -> datetime:
    """Parse a date or timestamp of this project, UTC by default.

    For text of other senders, `text.timestamp` is stricter. Raises ValueError.
    """
    if not FORM.fullmatch(text):
        raise ValueError(f"{text!r:.40} is not a timestamp such as 2026-11-21T22:05:00.123Z")
    timestamp = datetime.fromisoformat(text)
    if timestamp.tzinfo is None:
        return timestamp.replace(tzinfo=UTC)
    try:
        return timestamp.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text} is out of range") from None
