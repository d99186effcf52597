"""Long stretches of one kind of character, and words, found at the speed of a memory search: most text has none."""

from __future__ import annotations

import re
import string
from functools import cache

# Start, end, and what is shown instead.
Span = tuple[int, int, str]

MASK = "[redacted]"
ALPHANUMERIC = string.ascii_letters + string.digits


def image(text: str) -> bytes:
    """The text at one byte a character: what is found in it stands at the same place in the text."""
    return text.encode("latin-1", "replace")


def kind(characters: str) -> bytes:
    """Of which characters a stretch is made, as a table."""
    return bytes(ord("w") if chr(code) in characters else ord(" ") for code in range(256))


def stretches(image: bytes, kind: bytes, least: int) -> list[tuple[int, int]]:
    """Start and end of each stretch of at least so many characters."""
    marked = image.translate(kind)
    sought = b"w" * least
    found = []
    start = marked.find(sought)
    while start >= 0:
        end = marked.find(b" ", start)
        if end < 0:
            end = len(marked)
        found.append((start, end))
        start = marked.find(sought, end)
    return found


@cache
def pattern(source: str, flags: int = 0) -> re.Pattern[str]:
    """Compiled at its first use: a cold start pays for what its own log lines need, no more."""
    return re.compile(source, flags)
