"""Whole numbers from outside: ASCII digits only.

`int()` and `str.isdecimal` accept digits of every script, `int()` also spaces, underscores and signs.
"""

from __future__ import annotations

import re

DIGITS = re.compile(r"[0-9]+")
MAX_DIGITS = 18


class InvalidNumber(ValueError):
    """Not a whole number in ASCII digits, or out of range."""


def parse_whole_number(text: str, *, least: int = 0, most: int = 10**MAX_DIGITS - 1) -> int:
    """Parse a number without a sign.

    Leading zeros are accepted, spaces are not.

    Raises InvalidNumber.
    """
    if not DIGITS.fullmatch(text):
        raise InvalidNumber("is not a whole number in the digits 0 to 9")
    digits = text.lstrip("0") or "0"
    if len(digits) > MAX_DIGITS or not least <= int(digits) <= most:
        raise InvalidNumber(f"is not from {least} to {most}")
    return int(digits)


def is_whole_number(text: str) -> bool:
    """Whether the text is a number in ASCII digits, of any size."""
    return DIGITS.fullmatch(text) is not None
