"""Parser of DynamoDB's expressions.

Grammar and errors: the developer guide, "Expressions in DynamoDB"; where it has no statement, the tests that ScyllaDB's
Alternator runs against AWS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from proof.world.dynamodb.errors import Refused, invalid
from proof.world.dynamodb.nodes import Call, Operand, Path, Steps, Value
from proof.world.dynamodb.reserved_words import RESERVED_WORDS
from proof.world.dynamodb.tokens import END, INDEX, NAME, PLACEHOLDER, VALUE, Token, syntax_error, tokens

T = TypeVar("T")


class Parser:
    """Tokens of one expression, and the placeholders that were met.

    parameter: name of the expression in the request. Errors other than syntax errors are raised at the end.
    """

    def __init__(self, text: str, parameter: str, names: Mapping[str, str]) -> None:
        self.parameter = parameter
        self.names = names
        self.used_names: set[str] = set()
        self.used_values: set[str] = set()
        self._tokens = tokens(text, parameter)
        self._position = 0
        self._faults: list[str] = []

    @property
    def position(self) -> int:
        return self._position

    @property
    def token(self) -> Token:
        return self._tokens[self._position]

    def advance(self) -> Token:
        token = self.token
        self._position += 1
        return token

    def takes(self, *texts: str) -> bool:
        """Take the next token if it is one of these."""
        found = self.token.text in texts or self.token.keyword in texts
        if found:
            self.advance()
        return found

    def expect(self, text: str) -> None:
        if not self.takes(text):
            raise self.syntax_error()

    def listed(self, parse: Callable[[], T]) -> tuple[T, ...]:
        """One or more, with commas."""
        found = [parse()]
        while self.takes(","):
            found.append(parse())
        return tuple(found)

    def attempt(self, parse: Callable[[], T]) -> T | None:
        """Result of `parse`; None, and no token taken, where it fails."""
        start, faults = self._position, len(self._faults)
        try:
            found: T | None = parse()
        except Refused:
            found = None
        if found is None:
            self._position = start
            del self._faults[faults:]
        return found

    def syntax_error(self) -> Exception:
        before, after = max(self._position - 1, 0), self._position + 2
        near = " ".join(token.text for token in self._tokens[before:after] if token.kind != END)
        return syntax_error(self.parameter, self.token.text, near)

    def fault(self, message: str) -> None:
        self._faults.append(message)

    def end(self) -> None:
        """Raise an error unless everything was read and is valid."""
        if self.token.kind != END:
            raise self.syntax_error()
        if self._faults:
            raise invalid(f"Invalid {self.parameter}: {self._faults[0]}")

    def operand(self) -> Operand:
        """A path, a value, a function; each also in parentheses."""
        if self.takes("("):
            operand = self.operand()
            self.expect(")")
            return operand
        if self.token.kind == VALUE:
            return self.value()
        if self.token.kind == NAME and self._tokens[self._position + 1].text == "(":
            function = self.advance().text
            self.advance()
            arguments = self.listed(self.operand)
            self.expect(")")
            return Call(function, arguments)
        return self.path()

    def value(self) -> Value:
        if self.token.kind != VALUE:
            raise self.syntax_error()
        name = self.advance().text
        self.used_values.add(name)
        return Value(name)

    def path(self) -> Path:
        steps: list[str | int] = [self._attribute_name()]
        while True:
            if self.takes("."):
                steps.append(self._attribute_name())
            elif self.takes("["):
                if self.token.kind != INDEX:
                    raise self.syntax_error()
                steps.append(int(self.advance().text))
                self.expect("]")
            else:
                return Path(tuple(steps))

    def _attribute_name(self) -> str:
        token = self.token
        if token.kind == PLACEHOLDER:
            self.advance()
            self.used_names.add(token.text)
            if token.text not in self.names:
                undefined = "An expression attribute name used in the document path is not defined"
                self.fault(f"{undefined}; attribute name: {token.text}")
            return self.names.get(token.text, token.text)
        if token.kind != NAME:
            raise self.syntax_error()
        if token.keyword in RESERVED_WORDS:
            self.fault(f"Attribute name is a reserved keyword; reserved keyword: {token.text}")
        return self.advance().text


def distinct(parser: Parser, paths: list[Steps]) -> None:
    """Refuse paths that overlap, or need two types of an attribute."""
    for number, later in enumerate(paths):
        for earlier in paths[:number]:
            difference = _difference(earlier, later)
            if difference:
                places = f"path one: {path_text(earlier)}, path two: {path_text(later)}"
                rewrite = "must remove or rewrite one of these paths"
                parser.fault(f"Two document paths {difference} with each other; {rewrite}; {places}")


def _difference(one: Steps, other: Steps) -> str:
    for left, right in zip(one, other, strict=False):
        if type(left) is not type(right):
            return "conflict"
        if left != right:
            return ""
    return "overlap"


def path_text(steps: Steps) -> str:
    """`[a, b, [1]]`, as errors have it."""
    return f"[{', '.join(f'[{step}]' if isinstance(step, int) else step for step in steps)}]"
