"""Drift of a whole stage, each difference with its command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.admin import drift, role_drift
from shared.admin.drift import FUNCTION, STACK, Listed, Undeclared
from shared.advised_commands import advised, deployment
from shared.aws.names import FRONT_STACK, Names
from shared.job.manifest import Entry

if TYPE_CHECKING:
    from datetime import datetime

    from shared.aws.cloud import Cloud

UNDECLARED, BLOCKED, CHANGED = "undeclared", "blocked", "changed"
ROLE = "role"


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between the deployed stage and its declaration."""

    #: UNDECLARED, BLOCKED or CHANGED.
    category: str
    kind: str
    name: str
    #: The stack that the resource belongs to, if it is known.
    stack: str | None
    problem: str
    #: The command that removes the difference.
    fix: str


def find(cloud: Cloud, jobs: Mapping[str, Entry], endpoints: Iterable[str], *, roles: bool) -> list[Difference]:
    """All differences, undeclared stacks first. roles: compare the policies of roles too."""
    expected = drift.declared(cloud.names, jobs, endpoints)
    listed = drift.resources(cloud)
    undeclared = drift.find(cloud, expected, listed)
    declared = [stack.name for stack in drift.stacks(cloud) if (STACK, stack.name) in expected] if roles else []
    return [
        *(_undeclared(cloud.names, each) for each in undeclared),
        *_blocked(cloud.names, jobs, drift.blocked(cloud, expected, listed)),
        *(_changed(cloud.names, each) for each in role_drift.find(cloud, declared)),
    ]


def endpoints(cloud: Cloud) -> list[str]:
    """Names of the deployed HTTP functions: those of the stack `front`.

    For functions, whose code contains no other group.
    """
    prefix, front = cloud.names.of(""), cloud.names.stack(FRONT_STACK)
    deployed = [stack.name for stack in drift.stacks(cloud) if stack.name == front]
    owned = drift.owners(cloud, deployed)
    return [name.removeprefix(prefix) for (kind, name), _ in owned if kind == FUNCTION]


def in_deployment(cloud: Cloud, since: datetime) -> bool:
    """Whether a stack is being deployed, or was after `since`."""
    return any(stack.status.endswith("_IN_PROGRESS") or stack.changed > since for stack in drift.stacks(cloud))


def _undeclared(names: Names, resource: Undeclared) -> Difference:
    if resource.removed_by_deployment:
        fix = deployment(names.stage)
    else:
        fix = advised(names.stage, "drift", "--remove", resource.stack or resource.name, "--reason", "WHY")
    return Difference(UNDECLARED, resource.kind, resource.name, resource.stack, "no job or endpoint declares it", fix)


def _blocked(names: Names, jobs: Mapping[str, Entry], listed: Iterable[Listed]) -> Iterator[Difference]:
    owners = {names.function(name): name for name in jobs}
    owners |= {tick: name for name in jobs for tick in drift.ticks(names, name, jobs[name])}
    for each in listed:
        job = owners.get(each.name)
        problem = "its reserved concurrency is 0: Lambda starts no run of it" if each.kind == FUNCTION else "disabled"
        if job:
            fix = advised(names.stage, "drift", "--restore", job, "--reason", "WHY")
        else:
            fix = f"aws lambda delete-function-concurrency --function-name {each.name}"
        yield Difference(BLOCKED, each.kind, each.name, names.stack(jobs[job]["group"]) if job else None, problem, fix)


def _changed(names: Names, role: role_drift.ChangedRole) -> Difference:
    # Not by a deployment: CloudFormation leaves what the template has not changed.
    fix = advised(names.stage, "drift", "--restore", role.name, "--reason", "WHY")
    return Difference(CHANGED, ROLE, role.name, role.stack, role.problem, fix)
