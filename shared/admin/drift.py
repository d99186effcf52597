"""Drift: deployed resources of a stage that no job or endpoint declares.

CloudFormation deletes nothing that has left the templates with its whole stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.aws.names import STACKS, Names
from shared.job.definition import Job

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

STACK, RULE, SCHEDULE, FUNCTION = "stack", "rule", "schedule", "function"
# Resource types of CloudFormation.
KINDS = {"AWS::Events::Rule": RULE, "AWS::Scheduler::Schedule": SCHEDULE, "AWS::Lambda::Function": FUNCTION}


@dataclass(frozen=True, slots=True)
class Undeclared:
    """A deployed resource that nothing declares."""

    kind: str
    name: str
    #: The stack that the resource belongs to; None if it belongs to none, or is a stack.
    stack: str | None
    #: Whether a deployment removes it: its stack is declared, and the templates no longer contain the resource.
    removed_by_deployment: bool
    #: ARN. A stack is deleted by it, so that a new stack of that name stays.
    id: str


def declared(names: Names, jobs: Iterable[Job], endpoints: Iterable[str]) -> set[tuple[str, str]]:
    """Kind and name of each resource that a deployment creates."""
    deployed = [job for job in jobs if not job.stages or names.stage in job.stages]
    found = {(STACK, names.stack(name)) for name in (*STACKS, *(job.group for job in deployed))}
    found |= {(FUNCTION, names.function(name)) for name in (*endpoints, *(job.name for job in deployed))}
    for job in deployed:
        count = sum(len(schedule.eventbridge()) for schedule in job.schedules())
        for number in range(1, count + 1):
            found |= {(kind, names.tick(job.name, number)) for kind in (RULE, SCHEDULE)}
    return found


def find(cloud: Cloud, expected: set[tuple[str, str]]) -> list[Undeclared]:
    """The stage's stacks, rules, schedules and functions that are not expected.

    Stacks are first.
    """
    stacks = list(_stacks(cloud))
    loose = [(kind, name, id_) for kind, name, id_ in _resources(cloud) if (kind, name) not in expected]
    owners = dict(_owners(cloud, [name for name, _ in stacks])) if loose else {}
    found = [Undeclared(STACK, name, None, False, id_) for name, id_ in stacks if (STACK, name) not in expected]
    for kind, name, id_ in loose:
        owner = owners.get((kind, name))
        found.append(Undeclared(kind, name, owner, owner is not None and (STACK, owner) in expected, id_))
    return found


def remove(cloud: Cloud, resource: Undeclared, report: Callable[[str], None]) -> None:
    """Delete a stack, or a resource that belongs to none.

    A stack is waited for. Its resources are deleted with it, queues with their messages.
    """
    match resource.kind:
        case "stack":
            # By id, so that a new stack of this name stays.
            cloud.stacks.delete_stack(StackName=resource.id)
            report(f"deleting the stack {resource.name}, which takes minutes")
            cloud.stacks.get_waiter("stack_delete_complete").wait(StackName=resource.id)
        case "rule":
            # EventBridge deletes no rule that has targets.
            targets = cloud.rules.list_targets_by_rule(Rule=resource.name)["Targets"]
            if targets:
                cloud.rules.remove_targets(Rule=resource.name, Ids=[target["Id"] for target in targets])
            cloud.rules.delete_rule(Name=resource.name)
        case "schedule":
            cloud.schedules.delete_schedule(Name=resource.name)
        case _:
            cloud.functions.delete_function(FunctionName=resource.name)


def _stacks(cloud: Cloud) -> Iterator[tuple[str, str]]:
    """Name and id of each stack that is not deleted."""
    for page in cloud.stacks.get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            if stack["StackName"].startswith(cloud.names.of("")):
                yield stack["StackName"], stack["StackId"]


def _resources(cloud: Cloud) -> Iterator[tuple[str, str, str]]:
    """Kind, name and ARN of each rule, schedule and function."""
    prefix = cloud.names.of("")
    for rules in cloud.rules.get_paginator("list_rules").paginate(NamePrefix=prefix):
        yield from ((RULE, rule["Name"], rule["Arn"]) for rule in rules["Rules"])
    for schedules in cloud.schedules.get_paginator("list_schedules").paginate(NamePrefix=prefix):
        yield from ((SCHEDULE, schedule["Name"], schedule["Arn"]) for schedule in schedules["Schedules"])
    for functions in cloud.functions.get_paginator("list_functions").paginate():
        for function in functions["Functions"]:
            if function["FunctionName"].startswith(prefix):
                yield FUNCTION, function["FunctionName"], function["FunctionArn"]


def _owners(cloud: Cloud, stacks: Iterable[str]) -> Iterator[tuple[tuple[str, str], str]]:
    """Kind and name of the resources of stacks, each with its stack."""
    pages: Any = cloud.stacks.get_paginator("list_stack_resources")
    for stack in stacks:
        for page in pages.paginate(StackName=stack):
            for resource in page["StackResourceSummaries"]:
                if kind := KINDS.get(resource["ResourceType"]):
                    yield (kind, resource.get("PhysicalResourceId", "").rpartition("|")[2]), stack
