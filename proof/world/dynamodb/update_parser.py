"""Parser of update expressions."""

from __future__ import annotations

from collections.abc import Mapping

from proof.world.dynamodb.condition_parser import CONDITION_FUNCTIONS, MISUSED, UPDATE_FUNCTIONS
from proof.world.dynamodb.nodes import Action, Call, Operand, Path, Sum
from proof.world.dynamodb.parser import Parser, distinct

PARAMETER = "UpdateExpression"
SECTIONS = ("SET", "REMOVE", "ADD", "DELETE")


class UpdateParser(Parser):
    """Sections in any order, each once."""

    def __init__(self, text: str, names: Mapping[str, str]) -> None:
        super().__init__(text, PARAMETER, names)

    def parse(self) -> tuple[Action, ...]:
        actions: list[Action] = []
        sections: list[str] = []
        while (section := self.token.keyword) in SECTIONS:
            self.advance()
            if section in sections:
                self.fault(f'The "{section}" section can only be used once in an update expression;')
            sections.append(section)
            actions += self.listed(lambda section=section: self._action(section))  # type: ignore[misc]
        if not sections:
            raise self.syntax_error()
        distinct(self, [action.path.steps for action in actions])
        self.end()
        return tuple(actions)

    def _action(self, section: str) -> Action:
        path = self.path()
        if section == "REMOVE":
            return Action(section, path, None)
        if section == "SET":
            self.expect("=")
            return Action(section, path, self._set_value())
        return Action(section, path, self.value())

    def _set_value(self) -> Operand | Sum:
        if self.token.text == "(" and (grouped := self.attempt(self._grouped)):
            return grouped
        return self._sum()

    def _grouped(self) -> Operand | Sum:
        self.expect("(")
        value = self._sum()
        self.expect(")")
        return value

    def _sum(self) -> Operand | Sum:
        left = self._checked()
        if self.token.text not in ("+", "-"):
            return left
        return Sum(self.advance().text, left, self._checked())

    def _checked(self) -> Operand:
        operand = self.operand()
        if isinstance(operand, Call):
            self._check(operand)
        return operand

    def _check(self, call: Call) -> None:
        name, arguments = call.function, call.arguments
        if name in CONDITION_FUNCTIONS:
            self.fault(f"The function is not allowed in an update expression; function: {name}")
        elif name not in UPDATE_FUNCTIONS:
            self.fault(f"Invalid function name; function: {name}")
        elif len(arguments) != UPDATE_FUNCTIONS[name]:
            incorrect = "Incorrect number of operands for operator or function; operator or function"
            self.fault(f"{incorrect}: {name}, number of operands: {len(arguments)}")
        elif name == "if_not_exists" and not isinstance(arguments[0], Path):
            self.fault(f"Operator or function requires a document path; operator or function: {name}")
        for argument in arguments:
            if isinstance(argument, Call):
                self._check(argument)
                if argument.function == "list_append":
                    self.fault(f"{MISUSED}: list_append")
