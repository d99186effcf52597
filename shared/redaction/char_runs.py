"""Find long runs of one class of characters by memory search."""

from __future__ import annotations

import re
import string
from functools import cache

# Start, end, replacement.
Span = tuple[int, int, str]

MASK = "[redacted]"
ALPHANUMERIC = string.ascii_letters + string.digits


def byte_image(text: str) -> bytes:
    """Encode text as one byte per character, at the same position."""
    return text.encode("latin-1", "replace")


def char_class(characters: str) -> bytes:
    """A translation table that marks these characters."""
    return bytes(ord("w") if chr(code) in characters else ord(" ") for code in range(256))


def runs(image: bytes, char_class: bytes, minimum: int) -> list[tuple[int, int]]:
    """Start and end of each run of at least `minimum` characters."""
    marked = image.translate(char_class)
    run = b"w" * minimum
    spans = []
    start = marked.find(run)
    while start >= 0:
        end = marked.find(b" ", start)
        if end < 0:
            end = len(marked)
        spans.append((start, end))
        start = marked.find(run, end)
    return spans


@cache
def pattern(source: str, flags: int = 0) -> re.Pattern[str]:
    """Compile a pattern at its first use.

    A cold start pays only for the patterns that its log lines need.
    """
    return re.compile(source, flags)
