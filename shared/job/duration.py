"""Lengths of time, as declarations say them and as settings write them."""

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
    found = re.fullmatch(r"\s*(\d+)\s*([dhms])\s*", text)
    if not found:
        raise ValueError("say a whole number and its unit, as in 30d, 36h, 45m or 90s")
    try:
        return int(found[1]) * UNITS[found[2]]
    except OverflowError:
        raise ValueError("is longer than any calendar") from None


def text(span: timedelta) -> str:
    """The shortest form of a whole number of seconds: `30d` for timedelta(days=30)."""
    for unit, size in UNITS.items():
        if span % size == timedelta(0) and span:
            return f"{span // size}{unit}"
    return "0d"
