"""Mutants of a module: changed conditions, orders, keys and filters."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
# Keyword arguments that restrict a write, an order or a result.
RESTRICTING = {
    *("condition", "guards", "reverse", "key", "ScanIndexForward", "ConsistentRead", "FilterExpression"),
    *("Limit", "success", "interrupted", "names"),
}
# Texts of DynamoDB conditions, and what replaces a part of them.
CONDITION = re.compile(
    r"attribute_(not_)?exists\(|[:#\w] (=|<>|<=?|>=?) [:#\w{]|\b(AND|OR|NOT|BETWEEN)\b|begins_with\("
)
TEXT_CHANGES = (
    (re.compile(r"attribute_not_exists\("), "attribute_exists("),
    (re.compile(r"attribute_exists\("), "attribute_not_exists("),
    (re.compile(r" AND "), " OR "),
    (re.compile(r" OR "), " AND "),
    (re.compile(r" = (?=:)"), " <> "),
    (re.compile(r" <> (?=:)"), " = "),
    (re.compile(r" < (?=:)"), " <= "),
    (re.compile(r" <= (?=:)"), " < "),
    (re.compile(r" > (?=:)"), " >= "),
    (re.compile(r" >= (?=:)"), " > "),
)
# `SET a = :b` assigns; a text that compares has another word of conditions, or nothing but one comparison.
ASSIGNMENT = re.compile(r"^\s*(SET|ADD|REMOVE|DELETE)\b|^, ")
COMPARES = re.compile(r"attribute_|\b(AND|OR|NOT)\b|[<>]|^[#\w]+ = :\w+$")
# A value in a formatted text; before Python 3.12 its node has the position of the whole text.
PART_OF_KEY = re.compile(r"\{[^{}]+\}")
# Characters of a text around its change that a mutant's name has.
AROUND = 24
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of a module's source."""

    module: str
    line: int
    #: Bytes of the source from and to which `after` replaces it.
    start: int
    end: int
    before: str
    after: str
    #: Function or class with the change.
    scope: str
    #: Text around a change within a text, as it was.
    around: tuple[str, str] = ("", "")

    @property
    def name(self) -> str:
        """Name that stays the same when other lines change."""
        left, right = self.around
        before, after = (_short(f"{left}{text}{right}") for text in (self.before, self.after))
        return f"{self.module} {self.scope}: {before} -> {after}"

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.after.encode() + source[self.end :]


def mutants_of(module: str, source: bytes) -> list[Mutant]:
    """Return the mutants of a module, in the order of its lines.

    Those that are no valid Python are left out.
    """
    found = dict.fromkeys(_Generator(module, source).all())
    return [mutant for mutant in sorted(found, key=lambda each: (each.start, each.after)) if _parses(mutant, source)]


def _parses(mutant: Mutant, source: bytes) -> bool:
    try:
        ast.parse(mutant.apply(source))
    except SyntaxError:
        return False
    return True


def _short(text: str) -> str:
    return " ".join(text.split()) or "nothing"


class _Generator:
    """Walks the tree of a module."""

    def __init__(self, module: str, source: bytes) -> None:
        self.module = module
        self.source = source
        self.starts = [0]
        for line in source.split(b"\n"):
            self.starts.append(self.starts[-1] + len(line) + 1)

    def all(self) -> Iterator[Mutant]:
        yield from self._walk(ast.parse(self.source), "-", is_key=self.module.endswith(".keys"))

    def _walk(self, node: ast.AST, scope: str, *, is_key: bool) -> Iterator[Mutant]:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            scope = node.name if scope == "-" else f"{scope}.{node.name}"
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        for start, end, after in self._changes(node, is_key=is_key):
            before = self.source[start:end].decode()
            line = self.source.count(b"\n", 0, start) + 1
            yield Mutant(self.module, line, start, end, before, after, scope, self._around(node, start, end))
        for child in ast.iter_child_nodes(node):
            if not _is_note(node, child):
                yield from self._walk(child, scope, is_key=is_key)

    def _changes(self, node: ast.AST, *, is_key: bool) -> Iterator[tuple[int, int, str]]:
        match node:
            case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in COMPARISONS:
                after = f"{self._text(left)} {COMPARISONS[type(operator)]} {self._text(right)}"
                yield (*self._span(node), after)
            case ast.BoolOp(op=operator, values=values):
                yield from self._boolean(node, operator, values)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield (*self._span(node), f"({self._text(operand)})")
            case ast.If(body=[ast.Return() | ast.Raise() | ast.Continue() | ast.Break()], orelse=[], test=test):
                yield (*self._span(test), "False")
            case ast.Call(func=called, keywords=keywords):
                if isinstance(called, ast.Name) and called.id in CALLS:
                    yield (*self._span(called), CALLS[called.id])
                yield from self._restrictions(node, keywords)
            case ast.comprehension(ifs=[condition]):
                yield (*self._span(condition), "True")
            case ast.Constant(value=str(text)) if _compares(text):
                yield from self._texts(node)
            case ast.JoinedStr() if is_key:
                start, _ = self._span(node)
                for match in PART_OF_KEY.finditer(self._text(node)):
                    yield start + match.start(), start + match.end(), ""

    def _boolean(
        self, node: ast.BoolOp, operator: ast.boolop, values: list[ast.expr]
    ) -> Iterator[tuple[int, int, str]]:
        word = "and" if isinstance(operator, ast.And) else "or"
        other = "or" if word == "and" else "and"
        texts = [f"({self._text(value)})" for value in values]
        yield (*self._span(node), f"({f' {other} '.join(texts)})")
        for number in range(len(texts)):
            kept = texts[:number] + texts[number + 1 :]
            yield (*self._span(node), f"({f' {word} '.join(kept)})")

    def _restrictions(self, node: ast.Call, keywords: list[ast.keyword]) -> Iterator[tuple[int, int, str]]:
        for keyword in keywords:
            if keyword.arg in RESTRICTING:
                start, end = self._span(keyword)
                rest = self.source[end:]
                comma = re.match(rb"\s*,\s*", rest)
                if comma:
                    yield start, end + comma.end(), ""
                elif before := re.search(rb",\s*$", self.source[:start]):
                    yield before.start(), end, ""

    def _texts(self, node: ast.Constant) -> Iterator[tuple[int, int, str]]:
        start, end = self._span(node)
        text = self.source[start:end].decode()
        for pattern, after in TEXT_CHANGES:
            for match in pattern.finditer(text):
                offset = start + len(text[: match.start()].encode())
                yield offset, offset + len(match[0].encode()), after

    def _around(self, node: ast.AST, start: int, end: int) -> tuple[str, str]:
        if not isinstance(node, ast.Constant):
            return "", ""
        first, last = self._span(node)
        return self.source[max(first, start - AROUND) : start].decode(), self.source[
            end : min(last, end + AROUND)
        ].decode()

    def _span(self, node: ast.AST) -> tuple[int, int]:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        end_line, end_column = getattr(node, "end_lineno", line), getattr(node, "end_col_offset", column)
        return self.starts[line - 1] + column, self.starts[end_line - 1] + end_column

    def _text(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self.source[start:end].decode()


def _compares(text: str) -> bool:
    """Whether a text is a part of a request's condition."""
    return bool(CONDITION.search(text) and COMPARES.search(text) and not ASSIGNMENT.search(text))


def _is_note(node: ast.AST, child: ast.AST) -> bool:
    """Whether the child is a docstring, an annotation or an error's text."""
    if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
        return True
    if isinstance(node, ast.arg) or isinstance(child, ast.arguments):
        return True
    return (
        isinstance(child, ast.FormattedValue)
        or isinstance(node, ast.Raise)
        or (isinstance(node, ast.AnnAssign) and child is node.annotation)
    )
