"""Update expressions as functions of an item.

Each is made once for each text of an expression. All operands are read from the item as it stood before; an element's
index is that of the list as it stood before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from proof.world.dynamodb import decimals
from proof.world.dynamodb.attribute_values import MEMBER, Attribute, Item, kind_of, make_set
from proof.world.dynamodb.errors import invalid
from proof.world.dynamodb.nodes import Action, Call, Operand, Path, Steps, Sum, Value
from proof.world.dynamodb.operands import Check, Evaluate, check_type, path_evaluator
from proof.world.dynamodb.update_parser import PARAMETER, UpdateParser

Names = tuple[tuple[str, str], ...]

INVALID_PATH = "The document path provided in the update expression is invalid for update"
NO_ATTRIBUTE = "The provided expression refers to an attribute that does not exist in the item"
INCORRECT_TYPE = "An operand in the update expression has an incorrect data type"
# As errors about ADD and DELETE have them.
TYPE_NAMES = {"S": "STRING", "N": "NUMBER", "B": "BINARY", "NULL": "NULL", "BOOL": "BOOLEAN", "L": "LIST", "M": "MAP"}
SETS = frozenset(MEMBER)
ADDABLE = SETS | {"N"}


@dataclass(frozen=True, slots=True)
class CompiledUpdate:
    """An update expression, with the placeholders that it uses."""

    #: Paths that are written, and the value of each; None: the attribute is removed.
    writes: tuple[tuple[Steps, Evaluate], ...]
    paths: tuple[Steps, ...]
    #: Attributes of the item that are written, or written into.
    names: frozenset[str]
    checks: tuple[Check, ...]
    used_names: frozenset[str]
    used_values: frozenset[str]
    #: Whether it creates a missing item; one that only removes does not.
    creates: bool

    def apply(self, item: Mapping[str, Attribute], values: Item) -> Item:
        """The item as it stands after the update.

        Values that it shares with `item` are the same objects.
        """
        new = dict(item)
        nested: list[tuple[Steps, Attribute | None]] = []
        for steps, evaluate in self.writes:
            value = evaluate(item, values)
            if len(steps) > 1:
                nested.append((steps, value))
            elif value is None:
                new.pop(str(steps[0]), None)
            else:
                new[str(steps[0])] = value
        if nested:
            _write_nested(new, nested)
        return new


@lru_cache(maxsize=4096)
def compiled(text: str, names: Names) -> CompiledUpdate:
    """Parse an update expression."""
    parser = UpdateParser(text, dict(names))
    actions = parser.parse()
    checks = [check for action in actions for check in _checks(action)]
    paths = tuple(action.path.steps for action in actions)
    return CompiledUpdate(
        tuple((action.path.steps, _result(action)) for action in actions),
        paths,
        frozenset(str(steps[0]) for steps in paths),
        tuple(checks),
        frozenset(parser.used_names),
        frozenset(parser.used_values),
        creates=any(action.section in ("SET", "ADD") for action in actions),
    )


def _result(action: Action) -> Evaluate:
    old = path_evaluator(action.path.steps)
    match action.operand:
        case None:
            return lambda _item, _values: None
        case Value(name) if action.section == "ADD":
            return lambda item, values: _added(old(item, values), values[name])
        case Value(name) if action.section == "DELETE":
            return lambda item, values: _deleted(old(item, values), values[name])
        case Sum(sign, left, right):
            calculate = decimals.add if sign == "+" else decimals.subtract
            return _sum(_required(left), _required(right), calculate)
    return _required(action.operand)


def _required(operand: Operand) -> Evaluate:
    """The value of an operand; an absent attribute is an error."""
    match operand:
        case Value(name):
            return lambda _, values: values[name]
        case Path(steps):
            evaluate = path_evaluator(steps)

            def present(item: Mapping[str, Attribute], values: Item) -> Attribute:
                value = evaluate(item, values)
                if value is None:
                    raise invalid(NO_ATTRIBUTE)
                return value

            return present
        case Call("if_not_exists", (Path(steps), default)):
            existing, otherwise = path_evaluator(steps), _required(default)
            return lambda item, values: (
                value if (value := existing(item, values)) is not None else otherwise(item, values)
            )
        case Call(_, (first, second)):
            return _appended(_required(first), _required(second))
    raise AssertionError(f"{operand} is no operand of SET")


def _sum(left: Evaluate, right: Evaluate, calculate: Callable[[str, str], str]) -> Evaluate:
    def evaluate(item: Mapping[str, Attribute], values: Item) -> Attribute:
        one, other = _typed(left(item, values), "N"), _typed(right(item, values), "N")
        return {"N": calculate(one, other)}

    return evaluate


def _appended(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(item: Mapping[str, Attribute], values: Item) -> Attribute:
        return {"L": [*_typed(left(item, values), "L"), *_typed(right(item, values), "L")]}

    return evaluate


def _typed(value: Attribute | None, kind: str) -> Any:
    if value is None or kind not in value:
        raise invalid(INCORRECT_TYPE)
    return value[kind]


def _added(old: Attribute | None, value: Attribute) -> Attribute:
    if old is None:
        return value
    [(kind, inner)] = value.items()
    present = _typed(old, kind)
    if kind == "N":
        return {"N": decimals.add(present, inner)}
    return {kind: make_set(kind, (*present, *inner))}


def _deleted(old: Attribute | None, value: Attribute) -> Attribute | None:
    """The rest of a set; None where nothing is left."""
    if old is None:
        return None
    [(kind, inner)] = value.items()
    left = [member for member in _typed(old, kind) if member not in inner]
    return {kind: left} if left else None


def _checks(action: Action) -> list[Check]:
    operand = action.operand
    if action.section in ("ADD", "DELETE"):
        assert isinstance(operand, Value)
        return [_check_added(action.section, operand.name)]
    return _operand_checks(operand) if operand else []


def _operand_checks(operand: Operand | Sum) -> list[Check]:
    match operand:
        case Sum(sign, left, right):
            numbers = [check_type(one, frozenset("N"), sign, PARAMETER) for one in (left, right)]
            return [check for checks in numbers for check in checks] + _operand_checks(left) + _operand_checks(right)
        case Call(function, arguments):
            inner = [check for argument in arguments for check in _operand_checks(argument)]
            if function == "list_append":
                for argument in arguments:
                    inner += check_type(argument, frozenset("L"), function, PARAMETER)
            return inner
    return []


def _check_added(section: str, name: str) -> Check:
    allowed = ADDABLE if section == "ADD" else SETS

    def check(values: Item) -> None:
        if (kind := kind_of(values[name])) not in allowed:
            incorrect = "Incorrect operand type for operator or function; operator"
            raise invalid(f"Invalid {PARAMETER}: {incorrect}: {section}, operand type: {TYPE_NAMES[kind]}")

    return check


def _write_nested(item: Item, writes: list[tuple[Steps, Attribute | None]]) -> None:
    """Write values inside attributes, into changed copies of their containers."""
    by_name: dict[str, list[tuple[Steps, Attribute | None]]] = {}
    for steps, value in writes:
        by_name.setdefault(str(steps[0]), []).append((steps[1:], value))
    for name, inner in by_name.items():
        item[name] = _changed(item.get(name), inner)


def _changed(container: Attribute | None, writes: list[tuple[Steps, Attribute | None]]) -> Attribute:
    kind = "L" if isinstance(writes[0][0][0], int) else "M"
    if container is None or kind not in container:
        raise invalid(INVALID_PATH)
    deeper: dict[str | int, list[tuple[Steps, Attribute | None]]] = {}
    leaves: dict[str | int, Attribute | None] = {}
    for steps, value in writes:
        if len(steps) > 1:
            deeper.setdefault(steps[0], []).append((steps[1:], value))
        else:
            leaves[steps[0]] = value
    if kind == "M":
        return {"M": _changed_map(container["M"], leaves, deeper)}
    return {"L": _changed_list(container["L"], leaves, deeper)}


def _changed_map(old: Item, leaves: Mapping[Any, Attribute | None], deeper: Mapping[Any, Any]) -> Item:
    new = {**old, **{name: value for name, value in leaves.items() if value is not None}}
    for name, value in leaves.items():
        if value is None:
            new.pop(name, None)
    return new | {name: _changed(old.get(name), writes) for name, writes in deeper.items()}


def _changed_list(
    old: list[Attribute], leaves: Mapping[Any, Attribute | None], deeper: Mapping[Any, Any]
) -> list[Attribute]:
    """Elements beyond the end are appended in the order of their indexes."""
    new: list[Attribute | None] = list(old)
    for index, writes in deeper.items():
        new[index] = _changed(old[index] if index < len(old) else None, writes)
    appended = []
    for index in sorted(leaves):
        if index < len(old):
            new[index] = leaves[index]
        else:
            appended.append(leaves[index])
    return [element for element in (*new, *appended) if element is not None]
