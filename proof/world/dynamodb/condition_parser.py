"""Parser of condition expressions, which filters and key conditions are too."""

from __future__ import annotations

from collections.abc import Mapping

from proof.world.dynamodb.nodes import Between, Both, Call, Comparison, Condition, In, Not, Operand, Path, Value
from proof.world.dynamodb.parser import Parser, path_text

COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")
# Number of operands by function.
CONDITION_FUNCTIONS = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
    "size": 1,
}
UPDATE_FUNCTIONS = {"if_not_exists": 2, "list_append": 2}
MOST_CANDIDATES = 100
MISUSED = "The function is not allowed to be used this way in an expression; function"
NO_TYPE = "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}"


class ConditionParser(Parser):
    """A condition: comparisons and functions, with AND, OR, NOT and parentheses."""

    def __init__(self, text: str, parameter: str, names: Mapping[str, str]) -> None:
        super().__init__(text, parameter, names)
        #: Positions at which the group that was closed last begins and ends.
        self._group = (-1, -1)

    def parse(self) -> Condition:
        condition = self._any()
        self.end()
        return condition

    def _any(self) -> Condition:
        condition = self._all()
        while self.takes("OR"):
            condition = Both("OR", condition, self._all())
        return condition

    def _all(self) -> Condition:
        condition = self._negated()
        while self.takes("AND"):
            condition = Both("AND", condition, self._negated())
        return condition

    def _negated(self) -> Condition:
        if self.takes("NOT"):
            return Not(self._negated())
        # A parenthesis begins a condition, or an operand of a comparison.
        if self.token.text == "(" and (grouped := self.attempt(self._grouped)):
            return grouped
        return self._simple()

    def _grouped(self) -> Condition | None:
        start = self.position
        self.expect("(")
        condition = self._any()
        if self._group == (start + 1, self.position):
            self.fault("The expression has redundant parentheses;")
        self.expect(")")
        self._group = (start, self.position)
        is_operand = self.token.text in COMPARATORS or self.token.keyword in ("BETWEEN", "IN")
        return None if is_operand else condition

    def _simple(self) -> Condition:
        operand = self.operand()
        if self.token.text in COMPARATORS:
            comparison = Comparison(self.advance().text, operand, self.operand())
            self._check_operands(comparison.operator, (comparison.left, comparison.right))
            return comparison
        if self.takes("BETWEEN"):
            low = self.operand()
            self.expect("AND")
            between = Between(operand, low, self.operand())
            self._check_operands("BETWEEN", (operand, low, between.high))
            return between
        if self.takes("IN"):
            return self._in(operand)
        if isinstance(operand, Call):
            self._check_call(operand)
            if operand.function == "size":
                self.fault(f"{MISUSED}: size")
            return operand
        raise self.syntax_error()

    def _in(self, operand: Operand) -> In:
        self.expect("(")
        candidates = self.listed(self.operand)
        self.expect(")")
        if len(candidates) >= MOST_CANDIDATES:
            self._wrong_number("IN", len(candidates) + 1)
        self._check_operands("IN", (operand, *candidates))
        return In(operand, candidates)

    def _check_operands(self, operator: str, operands: tuple[Operand, ...]) -> None:
        for operand in operands:
            if isinstance(operand, Call):
                self._check_call(operand)
                if operand.function in CONDITION_FUNCTIONS and operand.function != "size":
                    self.fault(f"{MISUSED}: {operand.function}")
        first = operands[0]
        if isinstance(first, Path) and first in operands[1:]:
            self.fault(
                "The first operand must be distinct from the remaining operands for this operator or function; "
                f"operator: {operator}, first operand: {path_text(first.steps)}"
            )

    def _check_call(self, call: Call) -> None:
        name, arguments = call.function, call.arguments
        if name in UPDATE_FUNCTIONS:
            self.fault(f"The function is not allowed in a condition expression; function: {name}")
        elif name not in CONDITION_FUNCTIONS:
            self.fault(f"Invalid function name; function: {name}")
        elif len(arguments) != CONDITION_FUNCTIONS[name]:
            self._wrong_number(name, len(arguments))
        elif CONDITION_FUNCTIONS[name] > 1 or name == "size":
            self._check_operands(name, arguments)
            if name == "attribute_type" and not isinstance(arguments[1], Value):
                incorrect = "Incorrect operand type for operator or function; operator or function"
                self.fault(f"{incorrect}: {name}, operand type: {NO_TYPE}")
        elif not isinstance(arguments[0], Path):
            self.fault(f"Operator or function requires a document path; operator or function: {name}")

    def _wrong_number(self, operator: str, number: int) -> None:
        incorrect = "Incorrect number of operands for operator or function; operator or function"
        self.fault(f"{incorrect}: {operator}, number of operands: {number}")
