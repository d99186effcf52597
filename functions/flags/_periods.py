"""Hours, days and months in UTC, with names that sort by time.

`2026-11-22T05`, `2026-11-22`, `2026-11`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

# How far a sender's clock may be ahead.
SKEW = timedelta(minutes=5)
HOUR, DAY, MONTH = "hour", "day", "month"
KINDS = (HOUR, DAY, MONTH)
FORMATS = {HOUR: "%Y-%m-%dT%H", DAY: "%Y-%m-%d", MONTH: "%Y-%m"}
LENGTHS = {13: HOUR, 10: DAY, 7: MONTH}


def name(kind: str, at: datetime) -> str:
    return at.astimezone(UTC).strftime(FORMATS[kind])


def kind_of(period: str) -> str:
    return LENGTHS[len(period)]


def start(period: str) -> datetime:
    return datetime.strptime(period, FORMATS[kind_of(period)]).replace(tzinfo=UTC)


def end(period: str) -> datetime:
    """Return the timestamp at which the next period begins."""
    first = start(period)
    match kind_of(period):
        case "hour":
            return first + timedelta(hours=1)
        case "day":
            return first + timedelta(days=1)
    return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)


def ended(period: str, now: datetime) -> bool:
    """Whether a period and the tolerated clock skew have ended.

    It may then be archived.
    """
    return end(period) + SKEW <= now
