"""Durations: constructors for declarations, and text forms such as `30d`."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}


def days(count: float) -> timedelta:
    return timedelta(days=count)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def parse(text: str) -> timedelta:
    """`30d`, `36h`, `45m` or `90s`. Raises ValueError."""
    match = re.fullmatch(r"\s*([0-9]+)\s*([dhms])\s*", text)
    if not match:
        raise ValueError("write a whole number and its unit: 30d, 36h, 45m or 90s")
    number = match[1].lstrip("0") or "0"
    try:
        # `int` refuses thousands of digits with an error of its own: any such number is too long.
        return int(number if len(number) <= 15 else 10**15) * UNITS[match[2]]
    except OverflowError:
        raise ValueError("is longer than a duration can be") from None


def text(span: timedelta) -> str:
    """The shortest form of a whole number of seconds: `30d` for timedelta(days=30)."""
    for unit, size in UNITS.items():
        if span % size == timedelta(0) and span:
            return f"{span // size}{unit}"
    return "0d"
