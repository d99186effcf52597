"""Syntax trees of expressions, with the placeholders of names resolved."""

from __future__ import annotations

from dataclasses import dataclass

# `a.b[1]` is ("a", "b", 1).
Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """Document path."""

    steps: Steps


@dataclass(frozen=True, slots=True)
class Value:
    """Placeholder of a value, with its colon."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Sum:
    """Two operands of `+` or `-` in a SET action."""

    sign: str
    left: Operand
    right: Operand


Operand = Path | Value | Call


@dataclass(frozen=True, slots=True)
class Comparison:
    operator: str
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class Between:
    operand: Operand
    low: Operand
    high: Operand


@dataclass(frozen=True, slots=True)
class In:
    operand: Operand
    candidates: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Not:
    condition: Condition


@dataclass(frozen=True, slots=True)
class Both:
    """`AND`, or `OR`."""

    operator: str
    left: Condition
    right: Condition


Condition = Comparison | Between | In | Not | Both | Call


@dataclass(frozen=True, slots=True)
class Action:
    """Action of an update expression.

    section: SET, REMOVE, ADD or DELETE. operand: None for REMOVE.
    """

    section: str
    path: Path
    operand: Operand | Sum | None
