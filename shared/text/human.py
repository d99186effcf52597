"""Numbers for people: sizes with their unit, and counted nouns."""

from __future__ import annotations

from datetime import timedelta

UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")
STEP = 1000


def byte_size(count: int) -> str:
    """A number of bytes with its decimal unit: `4.12 GB`, `1 byte`.

    Three significant digits; whole bytes below 1,000.
    """
    if count < STEP:
        return counted(count, "byte")
    size = float(count)
    for unit in UNITS:
        size /= STEP
        # A size that would be rounded up to 1,000 is one of the next unit.
        if size < STEP - 0.5 or unit == UNITS[-1]:
            break
    digits = 2 if size < 9.995 else 1 if size < 99.95 else 0
    text = f"{size:,.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if digits else text} {unit}"


def counted(count: int, noun: str) -> str:
    """`1 time`, `2 times`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def duration_text(length: timedelta) -> str:
    """`90 s`, `5 min` or `2 h 30 min`."""
    seconds = max(0, round(length.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h {seconds % 3600 // 60} min"
