"""Tokens of DynamoDB's expressions."""

from __future__ import annotations

import re
from typing import NamedTuple

from proof.world.dynamodb.errors import invalid

# A name begins with a letter; the name of a placeholder may begin with a digit or an underscore.
TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
        (?P<name>[A-Za-z][A-Za-z0-9_]*)
      | (?P<placeholder>\#[A-Za-z0-9_]+)
      | (?P<value>:[A-Za-z0-9_]+)
      | (?P<index>[0-9]+)
      | (?P<sign><=|>=|<>|[=<>(),.\[\]+-])
    )""",
    re.VERBOSE,
)
NAME, PLACEHOLDER, VALUE, INDEX, SIGN, END = "name", "placeholder", "value", "index", "sign", "end"
MAX_BYTES = 4096


class Token(NamedTuple):
    kind: str
    text: str

    @property
    def keyword(self) -> str:
        """The word in upper case; empty where the token is no word."""
        return self.text.upper() if self.kind == NAME else ""


def tokens(text: str, parameter: str) -> list[Token]:
    """Tokens of an expression, with an end token.

    parameter: its name in the request, for errors.
    """
    if not text.strip():
        raise invalid(f"Invalid {parameter}: The expression can not be empty;")
    if (size := len(text.encode())) > MAX_BYTES:
        too_large = "Expression size has exceeded the maximum allowed size; expression size"
        raise invalid(f"Invalid {parameter}: {too_large}: {size}")
    found: list[Token] = []
    position, end = 0, len(text.rstrip(" \t\r\n"))
    while position < end:
        match = TOKEN.match(text, position)
        if match is None:
            rest = text[position:].lstrip()
            raise syntax_error(parameter, rest[0], f"{found[-1].text if found else ''}{rest[:10]}")
        found.append(Token(match.lastgroup or "", match[match.lastgroup or 0]))
        position = match.end()
    return [*found, Token(END, "<EOF>")]


def syntax_error(parameter: str, token: str, near: str) -> Exception:
    return invalid(f'Invalid {parameter}: Syntax error; token: "{token}", near: "{near}"')
