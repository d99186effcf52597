"""Drift of IAM roles: policies that differ from the deployed template."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from shared.admin import deployed_template
from shared.admin.deployed_template import DeployedTemplate, Unresolved
from shared.text.untrusted_json import parse_json

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

ROLE = "AWS::IAM::Role"
MISSING = "NoSuchEntity"
# Lists of a statement whose order has no meaning.
UNORDERED = ("Action", "Resource", "NotAction", "NotResource")


@dataclass(frozen=True, slots=True)
class ChangedRole:
    """A role whose policies are not those of its template."""

    name: str
    stack: str
    #: Inline policies of the template that the role lacks or has otherwise, by name.
    changed: Mapping[str, Any]
    #: Names of inline policies that the template does not contain.
    added: tuple[str, ...] = ()
    #: ARNs of managed policies that are attached to it; no template attaches one.
    attached: tuple[str, ...] = ()
    #: Trust policy of the template, if that of the role differs.
    trust: Any = None
    #: Whether the role does not exist.
    missing: bool = False

    @property
    def problem(self) -> str:
        if self.missing:
            return "the role was deleted"
        parts = [
            *(["its trust policy was changed"] if self.trust else []),
            *(f"its policy {name} was changed" for name in self.changed),
            *(f"its policy {name} is not in the template" for name in self.added),
            *(f"{arn.rpartition('/')[2]} is attached to it" for arn in self.attached),
        ]
        return "; ".join(parts)


def find(cloud: Cloud, stacks: Iterable[str]) -> Iterator[ChangedRole]:
    """Roles of these stacks that were changed by hand.

    Two calls for each stack, and four for each role.
    """
    for stack in stacks:
        template = deployed_template.read(cloud, stack)
        for logical, name, properties in template.resources(ROLE):
            found = _compare(cloud, template, logical, name, properties)
            if found.problem:
                yield found


def restore(cloud: Cloud, role: ChangedRole) -> None:
    """Give the role the policies of its template, and no others.

    A deleted role is created.
    """
    if role.missing:
        cloud.roles.create_role(RoleName=role.name, AssumeRolePolicyDocument=json.dumps(role.trust))
    elif role.trust:
        cloud.roles.update_assume_role_policy(RoleName=role.name, PolicyDocument=json.dumps(role.trust))
    for name, document in role.changed.items():
        cloud.roles.put_role_policy(RoleName=role.name, PolicyName=name, PolicyDocument=json.dumps(document))
    for name in role.added:
        cloud.roles.delete_role_policy(RoleName=role.name, PolicyName=name)
    for arn in role.attached:
        cloud.roles.detach_role_policy(RoleName=role.name, PolicyArn=arn)


def _compare(
    cloud: Cloud, template: DeployedTemplate, logical: str, role: str, properties: Mapping[str, Any]
) -> ChangedRole:
    expected = dict(_expected(template, logical, properties))
    trust = properties.get("AssumeRolePolicyDocument", {})
    with suppress(Unresolved):
        trust = template.resolve(trust)
    try:
        trusted = _parsed(cloud.roles.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"])
        actual = cloud.roles.list_role_policies(RoleName=role)["PolicyNames"]
        attached = cloud.roles.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    except cloud.roles.exceptions.NoSuchEntityException:
        return ChangedRole(role, template.stack, expected, trust=trust, missing=True)
    changed = {
        name: document
        for name, document in expected.items()
        if document is not None and (name not in actual or _differs(_document(cloud, role, name), document))
    }
    # A managed policy of the template is named by an expression: only its name can be compared.
    declared = {str(arn).rpartition("/")[2].strip("'\"]}") for arn in properties.get("ManagedPolicyArns", [])}
    return ChangedRole(
        role,
        template.stack,
        changed,
        tuple(name for name in actual if name not in expected),
        tuple(each["PolicyArn"] for each in attached if each["PolicyArn"].rpartition("/")[2] not in declared),
        trust if _differs(trusted, trust) else None,
    )


def _expected(template: DeployedTemplate, logical: str, properties: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and document of each inline policy.

    None for a document that only CloudFormation can resolve.
    """
    separate = [
        policy for _, _, policy in template.resources("AWS::IAM::Policy") if {"Ref": logical} in policy.get("Roles", [])
    ]
    for policy in (*properties.get("Policies", []), *separate):
        try:
            yield policy["PolicyName"], template.resolve(policy["PolicyDocument"])
        except Unresolved:
            yield policy["PolicyName"], None


def _document(cloud: Cloud, role: str, policy: str) -> Any:
    return _parsed(cloud.roles.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"])


def _parsed(document: Any) -> Any:
    return parse_json(unquote(document)) if isinstance(document, str) else document


def _differs(document: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return _canonical(document) != _canonical(other)


def _canonical(document: Mapping[str, Any]) -> str:
    """A text that is equal for equal policies.

    The order of lists does not matter, nor whether a single value is a list.
    """
    statements = document.get("Statement", [])
    statements = statements if isinstance(statements, list) else [statements]
    return json.dumps(sorted(json.dumps(_statement(each), sort_keys=True) for each in statements))


def _statement(statement: Mapping[str, Any]) -> dict[str, Any]:
    lists = {name: value if isinstance(value, list) else [value] for name, value in statement.items()}
    return {name: sorted(lists[name]) if name in UNORDERED else value for name, value in statement.items()}
