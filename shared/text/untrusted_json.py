"""JSON from outside: one reader, with limits.

`json.loads` recurses, keeps the last of two equal keys, accepts NaN, and returns lone surrogates.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

MAX_BYTES = 1 << 20
# DynamoDB nests 32 levels deep; an envelope adds a few.
MAX_DEPTH = 64
# Python refuses to convert integers of more digits.
MAX_DIGITS = 4300
# Characters of a key that an error quotes.
MAX_QUOTED = 40

# Possessive: `re` would try each shorter match of an unterminated string otherwise, in quadratic time.
TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
SURROGATE = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")


class InvalidJson(ValueError):
    """Outside text that is not acceptable JSON.

    The message gives the reason; of the text, it quotes a repeated key at most.
    """


def parse_json(text: str | bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Any:
    """Parse one JSON value from outside.

    Refuses repeated keys, NaN, infinite numbers, deeper nesting than `max_depth`, lone surrogates and invalid UTF-8.

    Raises InvalidJson.
    """
    text = _decoded(text, max_bytes)
    if _is_deeper(text, max_depth):
        raise InvalidJson(f"is nested more than {max_depth} levels deep")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite)
    except InvalidJson:
        raise
    except json.JSONDecodeError as error:
        raise InvalidJson(f"is not JSON, see line {error.lineno}, column {error.colno}") from None
    except ValueError:
        raise InvalidJson(f"has a number of more than {MAX_DIGITS} digits") from None
    if SURROGATE.search(text) and not _encodable(value):
        raise InvalidJson("has half of a surrogate pair, which is no character")
    return value


def _decoded(text: str | bytes, max_bytes: int) -> str:
    if isinstance(text, bytes):
        try:
            decoded = text.decode("utf-8-sig") if len(text) <= max_bytes else ""
        except UnicodeDecodeError as error:
            raise InvalidJson(f"is not UTF-8: {error.reason} at byte {error.start}") from None
        size = len(text)
    else:
        decoded = text.removeprefix("\ufeff")
        # A character has 1 to 4 bytes: count them only where the limit is near.
        size = len(text) if 4 * len(text) <= max_bytes else len(text.encode("utf-8", "surrogatepass"))
    if size > max_bytes:
        raise InvalidJson(f"has {size} bytes; at most {max_bytes} are accepted")
    return decoded


def _is_deeper(text: str, limit: int) -> bool:
    """Tell whether brackets outside strings nest deeper than the limit.

    Counts tokens, since the parser recurses.
    """
    if text.count("[") + text.count("{") <= limit:
        return False
    depth = 0
    for token in TOKENS.finditer(text):
        first = text[token.start()]
        if first in "[{":
            depth += 1
            if depth > limit:
                return True
        elif first in "]}":
            depth -= 1
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InvalidJson(f"has the key {twice[:MAX_QUOTED]!a} twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJson(f"has {name}, which is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise InvalidJson("has a number beyond the range of a float")
    return number


def _encodable(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
