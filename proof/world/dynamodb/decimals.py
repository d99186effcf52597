"""Numbers of DynamoDB: exact decimals of at most 38 digits.

Their magnitudes are from 1E-130 to 9.99E+125. They travel as text. The canonical text of a number is its plain
notation without superfluous zeros, so that numbers are equal where their texts are.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal, Inexact
from functools import lru_cache

from proof.world.dynamodb.errors import invalid

DIGITS = 38
LARGEST, SMALLEST = 125, -130
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
TOO_PRECISE = "Attempting to store more than 38 significant digits in a Number"
NOT_NUMERIC = "The parameter cannot be converted to a numeric value"
EXACT = Context(prec=DIGITS, traps=[Inexact])


def canonical(text: str) -> str:
    """`1.50E1` -> `15`."""
    if text.isdecimal() and text.isascii() and (text[0] != "0" or text == "0") and len(text) <= DIGITS:
        return text
    return _canonical(text)


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    if not NUMBER.fullmatch(text):
        raise invalid(f"{NOT_NUMERIC}: {text}" if text else NOT_NUMERIC)
    return _text(Decimal(text))


def add(left: str, right: str) -> str:
    """Sum of two canonical numbers; exact, or refused."""
    return _calculated(left, right, 1)


def subtract(left: str, right: str) -> str:
    return _calculated(left, right, -1)


def _calculated(left: str, right: str, sign: int) -> str:
    if "." not in left and "." not in right:
        text = str(int(left) + sign * int(right))
        if len(text) <= DIGITS:
            return text
    try:
        return _text(EXACT.add(Decimal(left), Decimal(right) * sign))
    except Inexact:
        # The message of AWS, also where the digits and not the magnitude are too many.
        raise invalid(OVERFLOW) from None


def _text(number: Decimal) -> str:
    if not number:
        return "0"
    if number.adjusted() > LARGEST:
        raise invalid(OVERFLOW)
    if number.adjusted() < SMALLEST:
        raise invalid(UNDERFLOW)
    sign, digits, _ = number.as_tuple()
    significant = "".join(map(str, digits)).lstrip("0").rstrip("0")
    if len(significant) > DIGITS:
        raise invalid(TOO_PRECISE)
    shortest = Decimal((sign, tuple(map(int, significant)), number.adjusted() - len(significant) + 1))
    return format(shortest, "f")
