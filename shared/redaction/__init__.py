"""Redact secrets and personal data in logs, rows, artifacts and alerts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from shared import redaction
from shared.redaction import commands, encoded, labelled, named, personal, shaped
from shared.redaction.char_runs import MASK, Span, byte_image, pattern

# Bytes of foreign text in the claim item, which must stay below 1,024 bytes, and in a history row of one write unit.
SHORT = 100
LONG = 300

# Characters of a sample of foreign text.
SAMPLE = 512
# Shorter text is not searched: `a@b.io`.
MIN_TEXT = 6
# Levels of encoding within another that are decoded.
MAX_DEPTH = 3
# Names of fields whose value is always secret.
SECRET_FIELD = (
    r"pass(?:word|wd|phrase|code)|(?:^|[-_.])pass$|pwd|secret|token|credential|authorization|cookie"
    r"|sess(?:ion)?[-_]?(?:id|key)|signature|passwort|kennwort|geburtsdatum|(?:^|[-_.])(?:sig|otp|pin|jwt|cv[vc]2?|ssn|iban|pan|sid|dob)$|[cx]srf"
    r"|(?:api|access|private|account|signing|encryption|master|ssh|shared|license|subscription|storage|client)[-_ ]?key"
    r"|x-internal-health|(?:tele)?phone|mobile(?:[-_ ]?number)?$|card[-_ ]?number|date[-_ ]?of[-_ ]?birth"
)
# Names of fields whose value is secret as a number too. `tokens: 5` is a count, `token: 5` is not.
SECRET_NUMBER = r"(?:password|passcode|pwd|secret|token|otp|pin|cv[vc]2?|ssn|pan|phone|mobile|number)$"
NAMES = ("name", "key", "Name", "Key")
VALUES = ("value", "Value")


def text(value: str) -> str:
    """Redact a text."""
    return _text(value, 0)


def _text(value: str, depth: int) -> str:
    spans = _spans(value, depth)
    return _masked(value, spans) if spans else value


def _spans(value: str, depth: int = 0) -> list[Span]:
    if len(value) < MIN_TEXT:
        return []
    image = byte_image(value)
    finders = (named.spans, shaped.spans, personal.spans, labelled.spans, commands.spans)
    spans = [span for find in finders for span in find(value, image)]
    if depth < MAX_DEPTH:
        spans += encoded.spans(value, image, lambda inner: _text(inner, depth + 1))
    return spans


def _masked(value: str, spans: Iterable[Span]) -> str:
    """Replace the spans; overlapping ones are merged.

    The wider one wins; a mask replaces both where neither contains the other.
    """
    merged: list[Span] = []
    for start, end, shown in sorted(spans, key=lambda span: (span[0], -span[1])):
        if merged and start < merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = merged[-1][0], end, MASK
            continue
        merged.append((start, end, shown))
    pieces: list[str] = []
    done = 0
    for start, end, shown in merged:
        pieces += value[done:start], shown
        done = end
    return "".join((*pieces, value[done:]))


def sample(foreign: str, length: int = SAMPLE) -> str:
    """Redact foreign text, then cut it.

    Cutting first could leave half a secret, which no pattern matches.
    """
    return text(head(foreign, length * 8))[:length]


def head(value: str, length: int) -> str:
    """The start of a text, without a last word that was cut."""
    if len(value) <= length:
        return value
    return pattern(r"[^\s\"'<>,;&(){}\[\]]{0,256}\Z").sub("", value[:length], count=1)


def data(value: Any, field: str = "") -> Any:
    """Redact a data structure.

    Texts, keys, and all values under the name of a secret.
    """
    if field and _name(field)[1]:
        return _sealed(value, field)
    # Nearly always nothing is found, and one search of all texts together is faster than one per text.
    texts: list[str] = []
    if _only_texts_matter(value, texts) and not _spans("\n".join(texts)):
        return value
    return _data(value)


def _only_texts_matter(value: Any, texts: list[str]) -> bool:
    """Whether only the texts can contain secrets; they are appended to `texts`."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind is str:
            texts.append(item)
        elif kind is dict:
            if not all(map(_plain, item)) or (not item.keys().isdisjoint(NAMES) and _secret_named(item)):
                return False
            waiting += item.values()
        elif kind is list or kind is tuple:
            if _secret_paired(item):
                return False
            waiting += item
        elif kind is int:
            if personal.is_card(item):
                return False
        elif not (item is None or kind is bool or kind is float):
            return False
    return True


def _data(value: Any) -> Any:
    match value:
        case str():
            return text(value)
        case None | bool() | float():
            return value
        case int():
            return personal.NUMBER if personal.is_card(value) else value
        case Mapping():
            return _mapping(value)
        case list() | tuple() | set() | frozenset():
            return _items(value)
        case bytes() | bytearray():
            return text(value.decode(errors="replace"))
    return text(str(value))


def _mapping(mapping: Mapping[Any, Any]) -> dict[str, Any]:
    redacted: dict[str, Any] = {}
    for key, value in mapping.items():
        shown, sealed = _name(str(key))
        while shown in redacted:
            shown += "'"
        redacted[shown] = _sealed(value, str(key)) if sealed else _data(value)
    secret = _secret_named(mapping)
    return {**redacted, **{value: _sealed(mapping[value], secret) for value in VALUES if secret and value in mapping}}


def _secret_named(mapping: Mapping[Any, Any]) -> str:
    """The name of the secret in `{"name": "token", "value": ...}`.

    Empty for other mappings.
    """
    return next((mapping[name] for name in NAMES if name in mapping and names_a_secret(mapping[name])), "")


def _secret_paired(items: Sequence[Any]) -> str:
    """The name of the secret in `("token", ...)`.

    A common form of headers. Empty for other sequences.
    """
    return items[0] if len(items) == 2 and names_a_secret(items[0]) else ""


def names_a_secret(value: Any) -> bool:
    """Whether a value is the name of a secret.

    Prose that mentions one is not.
    """
    return isinstance(value, str) and " " not in value and _name(value)[1]


def _items(values: Iterable[Any]) -> list[Any]:
    items = list(values)
    secret = _secret_paired(items)
    return [secret, _sealed(items[1], secret)] if secret else [_data(item) for item in items]


def _sealed(value: Any, field: str) -> Any:
    """Mask all values of a structure, except numbers that may be counts."""
    match value:
        case None | bool():
            return value
        case int() | float():
            return MASK if pattern(SECRET_NUMBER, re.IGNORECASE).search(field) else _data(value)
        case Mapping():
            return {
                _name(str(key))[0]: _sealed(inner, str(key) if names_a_secret(key) else field)
                for key, inner in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [_sealed(inner, field) for inner in value]
    return MASK if value else value


@lru_cache(maxsize=1024)
def _name(field: str) -> tuple[str, bool]:
    """The redacted name of a field, and whether its value is secret."""
    return text(field), pattern(SECRET_FIELD, re.IGNORECASE).search(field[:100]) is not None


@lru_cache(maxsize=1024)
def _plain(field: Any) -> bool:
    """Whether a name needs no redaction, and its value is not secret."""
    return isinstance(field, str) and _name(field) == (field, False)


def excerpt(text: str, size: int) -> str:
    """Redact a text and cut it to one line.

    size: the maximum in bytes of UTF-8.
    """
    flat = " ".join(redaction.text(redaction.head(text, size * 8)).split())
    return flat.encode()[:size].decode(errors="ignore")
