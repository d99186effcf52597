"""Roles: wildcards that no quota of AWS requires."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.finding import Finding, refused, warning
from infra.roles import LISTS
from infra.template import Template, plain, resources

CHECK = "role"


def check(templates: Mapping[str, Template]) -> Iterator[Finding]:
    for role in resources(templates, "AWS::IAM::Role"):
        where = f"{role.stack}/{role.id}"
        if role.properties.get("ManagedPolicyArns"):
            yield warning(
                CHECK, where, "a managed policy grants more than its job needs", "declare grants in the job instead"
            )
        for policy in role.properties.get("Policies", []):
            for statement in plain(policy["PolicyDocument"])["Statement"]:
                if statement["Effect"] == "Allow":
                    yield from _of_statement(where, statement)


def _of_statement(where: str, statement: Mapping[str, object]) -> Iterator[Finding]:
    actions, where_to = _list(statement.get("Action")), _list(statement.get("Resource"))
    wide = [action for action in actions if action == "*" or action.endswith(":*")]
    if wide:
        yield refused(CHECK, where, f"it may do {', '.join(wide)}", "name the actions in the job's grants")
    elif "*" in where_to and not LISTS.issuperset(actions):
        yield refused(
            CHECK, where, f"it may {', '.join(actions)} on every resource", "name the resource in the job's grants"
        )


def _list(value: object) -> list[str]:
    return [str(part) for part in value] if isinstance(value, list) else [str(value)]
