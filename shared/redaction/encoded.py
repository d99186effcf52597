"""What is written in another alphabet: percent signs and base64 hide nothing from whoever reads a log."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Iterator
from urllib.parse import unquote

from shared.redaction.char_runs import ALPHANUMERIC, MASK, Span, kind, pattern, stretches

PERCENT = r"%[0-9A-Fa-f]{2}"
# What stands together with it, on either side.
WORD = r"[^\s\"'<>]*"
LONGEST_WORD = 4096
BASE64 = kind(ALPHANUMERIC + "+/")
# 15 bytes: a short e-mail address.
SHORTEST = 20
HEX = "0123456789abcdefABCDEF"
# Binary keys: an AWS secret has 40 characters, a line of a private key 64.
AWS_SECRET = 40
KEY_LINE = 64
FEWEST_DIFFERENT = 20
DIGEST = ("sha1-", "sha256-", "sha384-", "sha512-", "md5-")


def spans(text: str, image: bytes, filtered: Callable[[str], str]) -> Iterator[Span]:
    """`filtered` is the whole filter, for what is decoded. Percent-encoded words are shown decoded, where need be."""
    if "%" in text:
        yield from _percent(text, filtered)
    for start, end in stretches(image, BASE64, SHORTEST):
        word = text[start:end]
        # All in small letters it is a path.
        if not word.islower() and word.strip(HEX) and _hides(word, text[max(0, start - 7) : start], filtered):
            padding = len(text[end : end + 2]) - len(text[end : end + 2].lstrip("="))
            yield start, end + padding, MASK


def _percent(text: str, filtered: Callable[[str], str]) -> Iterator[Span]:
    found = pattern(PERCENT).search(text)
    while found:
        at = found.start()
        before = pattern(WORD).match(text[max(0, at - LONGEST_WORD) : at][::-1])
        after = pattern(WORD).match(text, at)
        start, end = at - (before.end() if before else 0), after.end() if after else at
        plain = unquote(text[start:end], errors="replace")
        shown = filtered(plain)
        if shown != plain:
            yield start, end, shown
        found = pattern(PERCENT).search(text, end)


def _hides(word: str, before: str, filtered: Callable[[str], str]) -> bool:
    try:
        plain = b64decode(word[: len(word) // 4 * 4] + _rest(word)).decode()
    except (ValueError, binascii.Error):
        plain = ""
    if plain and plain.replace("\n", " ").replace("\r", " ").replace("\t", " ").isprintable():
        return filtered(plain) != plain
    opaque = len(word) == AWS_SECRET or len(word) >= KEY_LINE
    return opaque and _mixed(word) and not before.endswith(DIGEST)


def _rest(word: str) -> str:
    """The last group, which lost its padding to the stretch's end; a group of one character stands for nothing."""
    rest = word[len(word) // 4 * 4 :]
    return rest + "=" * (4 - len(rest)) if len(rest) > 1 else ""


def _mixed(word: str) -> bool:
    """Random characters, and not a path or a name."""
    kinds = any(map(str.isupper, word)) and any(map(str.islower, word)) and any(map(str.isdigit, word))
    return kinds and len(set(word)) >= FEWEST_DIFFERENT
