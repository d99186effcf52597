"""Source of the time, and the text forms of timestamps.

Tests and simulations replace the clock.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """System clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def milliseconds(timestamp: datetime) -> int:
    """Milliseconds since the epoch."""
    return round(timestamp.timestamp() * 1000)


def iso(timestamp: datetime) -> str:
    """`2026-11-21T22:05:00.123Z`: fixed width, so that text sorts as time does."""
    return f"{timestamp.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{timestamp.microsecond // 1000:03d}Z"


def minute(timestamp: datetime) -> str:
    """`2026-11-21T22:05Z`."""
    return f"{timestamp.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def parse(text: str) -> datetime:
    """Parse an ISO 8601 timestamp; one without a time zone is UTC.

    Raises ValueError.
    """
    timestamp = datetime.fromisoformat(text)
    if timestamp.tzinfo is None:
        return timestamp.replace(tzinfo=UTC)
    try:
        return timestamp.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text} is out of range") from None
