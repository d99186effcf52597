"""Evaluation of a role's policy for one request, as IAM does it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from proof.permissions.requests import Access


class Permission(NamedTuple):
    """One action of one statement, by the number of the statement."""

    statement: int
    action: str


def allowing(statements: Sequence[Mapping[str, Any]], access: Access) -> list[Permission]:
    """Permissions that allow the access; none if it is denied."""
    found = [*_matching(statements, access)]
    if any(statements[each.statement]["Effect"] == "Deny" for each in found):
        return []
    return found


def _matching(statements: Sequence[Mapping[str, Any]], access: Access) -> Iterator[Permission]:
    for number, statement in enumerate(statements):
        resource = any(_like(pattern, access.resource) for pattern in statement["Resource"])
        if resource and access.action in statement["Action"] and _holds(statement.get("Condition", {}), access):
            yield Permission(number, access.action)


def _holds(conditions: Mapping[str, Mapping[str, Any]], access: Access) -> bool:
    for operator, keys in conditions.items():
        for key, patterns in keys.items():
            values, wanted = access.context.get(key, ()), [patterns] if isinstance(patterns, str) else patterns
            matches = [any(_like(pattern, value) for pattern in wanted) for value in values]
            match operator:
                case "ForAllValues:StringLike":
                    # True without values.
                    held = all(matches)
                case "ForAnyValue:StringEquals" | "StringLike" | "StringEquals":
                    held = any(matches)
                case _:
                    raise NotImplementedError(f"the evaluator does not know the condition {operator}")
            if not held:
                return False
    return True


def _like(pattern: str, value: str) -> bool:
    return _compiled(pattern).fullmatch(value) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(letter, re.escape(letter)) for letter in pattern), re.DOTALL)
