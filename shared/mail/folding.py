"""Folding of text headers, such as Subject, without loss.

The policies of `email` drop spaces between encoded words of a long line: https://github.com/python/cpython/issues/92081
"""

from __future__ import annotations

import re
from email.header import Header
from email.policy import EmailPolicy
from typing import Any

# RFC 2047 allows 76 characters where a header has encoded words, RFC 5322 998 in any line.
LINE, LONGEST_WORD = 76, 900
TEXT_HEADERS = frozenset(("subject", "comments"))
PLAIN = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")


class LosslessPolicy(EmailPolicy):
    """A policy of `email` that folds text headers without loss."""

    def fold(self, name: str, value: Any) -> str:
        if name.lower() not in TEXT_HEADERS:
            return str(super().fold(name, value))
        return f"{name}: {_folded(name, str(value), self.linesep)}{self.linesep}"

    def fold_binary(self, name: str, value: Any) -> bytes:
        return self.fold(name, value).encode() if name.lower() in TEXT_HEADERS else super().fold_binary(name, value)


def _folded(name: str, text: str, linesep: str) -> str:
    plain = PLAIN.fullmatch(text) and max(map(len, text.split(" "))) <= LONGEST_WORD
    charset = "us-ascii" if plain else "utf-8"
    return Header(text, charset, maxlinelen=LINE, header_name=name).encode(linesep=linesep, splitchars=" ")
