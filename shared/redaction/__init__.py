"""One filter for every sink: logs, status records, artifacts, alerts. What it knows as secret never passes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from shared import redaction
from shared.redaction import encoded, named, personal, shaped
from shared.redaction.char_runs import MASK, Span, image, pattern

# Bytes of foreign text in the claim item, which must stay under 1,024 in all, and in a history row of one write unit.
SHORT = 100
LONG = 300

SAMPLE = 512
# `a@b.io`
SHORTEST = 6
# Of what is encoded twice and thrice the innermost is read too; nobody encodes more often.
DEEPEST = 3
# Fields whose value is secret whatever it looks like.
SECRET_FIELD = (
    r"pass(?:word|wd|phrase|code)|(?:^|[-_.])pass$|pwd|secret|token|credential|authorization|cookie"
    r"|sess(?:ion)?[-_]?(?:id|key)|signature|(?:^|[-_.])(?:sig|otp|pin|jwt|cv[vc]2?|ssn|iban|pan|sid|dob)$|[cx]srf"
    r"|(?:api|access|private|account|signing|encryption|master|ssh|shared|license|subscription|storage|client)[-_ ]?key"
    r"|x-internal-health|(?:tele)?phone|mobile(?:[-_ ]?number)?$|card[-_ ]?number|date[-_ ]?of[-_ ]?birth"
)
# Of these also numbers: how many tokens there were is no secret, the token is.
ONE_SECRET = r"(?:password|passcode|pwd|secret|token|otp|pin|cv[vc]2?|ssn|pan|phone|mobile|number)$"
NAMES = ("name", "key", "Name", "Key")
VALUES = ("value", "Value")


def text(value: str) -> str:
    return _text(value, 0)


def _text(value: str, depth: int) -> str:
    found = _spans(value, depth)
    return _masked(value, found) if found else value


def _spans(value: str, depth: int = 0) -> list[Span]:
    if len(value) < SHORTEST:
        return []
    seen = image(value)
    found = [*named.spans(value, seen), *shaped.spans(value, seen), *personal.spans(value, seen)]
    if depth < DEEPEST:
        found += encoded.spans(value, seen, lambda inner: _text(inner, depth + 1))
    return found


def _masked(value: str, found: Iterable[Span]) -> str:
    """Spans that overlap become one: the wider one's, or masked altogether where neither holds the other."""
    merged: list[Span] = []
    for start, end, shown in sorted(found, key=lambda span: (span[0], -span[1])):
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
    """Foreign text, filtered, then cut: cutting first could leave half a secret that no pattern knows."""
    return text(head(foreign, length * 8))[:length]


def head(value: str, length: int) -> str:
    """The beginning, without the last word where that was cut in half."""
    if len(value) <= length:
        return value
    return pattern(r"[^\s\"'<>,;&(){}\[\]]{0,256}\Z").sub("", value[:length], count=1)


def data(value: Any, field: str = "") -> Any:
    """The same structure, filtered: keys too, and all that is under the name of a secret."""
    if field and _name(field)[1]:
        return _sealed(value, field)
    # Nearly always there is nothing, which one look at all the text together tells sooner than one at each piece.
    texts: list[str] = []
    if _innocent(value, texts) and not _spans("\n".join(texts)):
        return value
    return _data(value)


def _innocent(value: Any, texts: list[str]) -> bool:
    """Whether there is nothing to hide beside, perhaps, in its texts, which are gathered."""
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


def _mapping(given: Mapping[Any, Any]) -> dict[str, Any]:
    filtered: dict[str, Any] = {}
    for key, value in given.items():
        shown, sealed = _name(str(key))
        while shown in filtered:
            shown += "'"
        filtered[shown] = _sealed(value, str(key)) if sealed else _data(value)
    secret = _secret_named(given)
    return {**filtered, **{value: _sealed(given[value], secret) for value in VALUES if secret and value in given}}


def _secret_named(given: Mapping[Any, Any]) -> str:
    """The secret of which it is name and value: `{"name": "token", "value": ...}`."""
    return next((given[name] for name in NAMES if name in given and names_a_secret(given[name])), "")


def _secret_paired(given: Sequence[Any]) -> str:
    """The secret of which it is name and value: `("token", ...)`, as headers are often listed."""
    return given[0] if len(given) == 2 and names_a_secret(given[0]) else ""


def names_a_secret(value: Any) -> bool:
    """Prose that mentions one is no name."""
    return isinstance(value, str) and " " not in value and _name(value)[1]


def _items(given: Iterable[Any]) -> list[Any]:
    items = list(given)
    secret = _secret_paired(items)
    return [secret, _sealed(items[1], secret)] if secret else [_data(item) for item in items]


def _sealed(value: Any, field: str) -> Any:
    """Nothing but the structure; numbers stay where they may be counts."""
    match value:
        case None | bool():
            return value
        case int() | float():
            return MASK if pattern(ONE_SECRET, re.IGNORECASE).search(field) else _data(value)
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
    """A field's name as it may be shown, and whether what it names is secret."""
    return text(field), pattern(SECRET_FIELD, re.IGNORECASE).search(field[:100]) is not None


@lru_cache(maxsize=1024)
def _plain(field: Any) -> bool:
    return isinstance(field, str) and _name(field) == (field, False)


def excerpt(text: str, size: int) -> str:
    """Redacted, at most `size` bytes of UTF-8, one line."""
    flat = " ".join(redaction.text(redaction.head(text, size * 8)).split())
    return flat.encode()[:size].decode(errors="ignore")
