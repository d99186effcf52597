"""Where time comes from; tests and simulations bring their own."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """The system's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def milliseconds(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def iso(instant: datetime) -> str:
    """`2026-11-21T22:05:00.123Z`: fixed width, so that text sorts as time does."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03d}Z"


def minute(instant: datetime) -> str:
    """`2026-11-21T22:05Z`."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def parse(text: str) -> datetime:
    """An ISO 8601 instant with its zone, or a date-time without one read as UTC. Raises ValueError."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        return instant.replace(tzinfo=UTC)
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text} is out of range") from None
