"""Tokens of a call, as a provider counts them, or estimated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

READ = ("prompt_tokens", "input_tokens", "inputTokens", "promptTokenCount")
WRITTEN = ("completion_tokens", "output_tokens", "outputTokens", "candidatesTokenCount")
# No model reads or writes more in one call: a larger number is a mistake.
MOST_TOKENS = 20_000_000
# Characters per token of English text; of other languages a token has fewer.
CHARACTERS = 4
WHOLE = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens that a call read and wrote."""

    read: int
    written: int
    #: Whether one of the numbers is an estimate.
    estimated: bool = False


def token_usage(usage: Any, asked: str, answered: str) -> TokenUsage:
    """Return the tokens of a call.

    usage: as the provider sent it, of any form. A number that is missing, negative, no number, or zero for text that is
    there, is replaced by an estimate from the texts.
    """
    given: Mapping[str, Any] = usage if isinstance(usage, Mapping) else {}
    read, written = _count(given, READ), _count(given, WRITTEN)
    estimated = (not read and bool(asked)) or written is None or (not written and bool(answered))
    return TokenUsage(read or estimate(asked), written or estimate(answered), estimated)


def estimate(text: str) -> int:
    """Estimate the tokens of a text."""
    return -(-len(text) // CHARACTERS)


def _count(given: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = given.get(name)
        if isinstance(value, str) and WHOLE.fullmatch(value):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is int and 0 <= value <= MOST_TOKENS:
            return value
    return None
