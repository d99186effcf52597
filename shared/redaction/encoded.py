"""Find secrets and personal data that are percent-encoded or base64."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Iterator
from urllib.parse import unquote

from shared.redaction.char_runs import ALPHANUMERIC, MASK, Span, char_class, pattern, runs

PERCENT = r"%[0-9A-Fa-f]{2}"
# The word around an escape, on either side.
WORD = r"[^\s\"'<>]*"
MAX_WORD = 4096
BASE64 = char_class(ALPHANUMERIC + "+/")
# Characters of 15 bytes in base64: a short e-mail address.
MIN_BASE64 = 20
HEX = "0123456789abcdefABCDEF"
# Characters of binary keys: an AWS secret access key, and a line of a private key.
AWS_SECRET = 40
KEY_LINE = 64
MIN_DISTINCT = 20
DIGEST = ("sha1-", "sha256-", "sha384-", "sha512-", "md5-")


def spans(text: str, image: bytes, redact: Callable[[str], str]) -> Iterator[Span]:
    """Yield the spans of encoded secrets.

    redact: the whole filter, for decoded text. An escaped word is replaced by its result.
    """
    if "%" in text:
        yield from _percent(text, redact)
    for start, end in runs(image, BASE64, MIN_BASE64):
        word = text[start:end]
        # Lower case only: a path.
        if not word.islower() and word.strip(HEX) and _is_secret(word, text[max(0, start - 7) : start], redact):
            padding = len(text[end : end + 2]) - len(text[end : end + 2].lstrip("="))
            yield start, end + padding, MASK


def _percent(text: str, redact: Callable[[str], str]) -> Iterator[Span]:
    escape = pattern(PERCENT).search(text)
    while escape:
        at = escape.start()
        before = pattern(WORD).match(text[max(0, at - MAX_WORD) : at][::-1])
        after = pattern(WORD).match(text, at)
        start, end = at - (before.end() if before else 0), after.end() if after else at
        plain = unquote(text[start:end], errors="replace")
        shown = redact(plain)
        if shown != plain:
            yield start, end, shown
        escape = pattern(PERCENT).search(text, end)


def _is_secret(word: str, before: str, redact: Callable[[str], str]) -> bool:
    try:
        plain = b64decode(word[: len(word) // 4 * 4] + _rest(word)).decode()
    except (ValueError, binascii.Error):
        plain = ""
    if plain and plain.replace("\n", " ").replace("\r", " ").replace("\t", " ").isprintable():
        return redact(plain) != plain
    opaque = len(word) == AWS_SECRET or len(word) >= KEY_LINE
    return opaque and _mixed(word) and not before.endswith(DIGEST)


def _rest(word: str) -> str:
    """The last base64 group with its padding.

    The padding is not part of the run; one character alone encodes nothing.
    """
    rest = word[len(word) // 4 * 4 :]
    return rest + "=" * (4 - len(rest)) if len(rest) > 1 else ""


def _mixed(word: str) -> bool:
    """Whether the characters look random, unlike a path or a name."""
    mixed_case = any(map(str.isupper, word)) and any(map(str.islower, word)) and any(map(str.isdigit, word))
    return mixed_case and len(set(word)) >= MIN_DISTINCT
