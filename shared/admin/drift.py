"""Drift: deployed resources that nothing declares, and declared ones that are disabled.

CloudFormation deletes nothing that has left the templates with its whole stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.aws.names import STACKS, Names
from shared.job import schedule
from shared.job.manifest import Entry

if TYPE_CHECKING:
    from datetime import datetime

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


@dataclass(frozen=True, slots=True)
class Listed:
    """A rule, schedule or function, as AWS lists it."""

    kind: str
    name: str
    id: str
    #: False for a disabled rule or schedule.
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class DeployedStack:
    """A stack that exists."""

    name: str
    id: str
    #: Status as CloudFormation names it, such as `UPDATE_COMPLETE`.
    status: str
    #: Time of its last update or creation.
    changed: datetime


def declared(names: Names, jobs: Mapping[str, Entry], endpoints: Iterable[str]) -> set[tuple[str, str]]:
    """Kind and name of each resource that a deployment creates."""
    found = {(STACK, names.stack(name)) for name in (*STACKS, *(job["group"] for job in jobs.values()))}
    found |= {(FUNCTION, names.function(name)) for name in (*endpoints, *jobs)}
    for name in jobs:
        found |= {(kind, tick) for tick in ticks(names, name, jobs[name]) for kind in (RULE, SCHEDULE)}
    return found


def ticks(names: Names, name: str, job: Entry) -> list[str]:
    """Names of the rules and schedules of a job."""
    count = sum(len(schedule.read(each).eventbridge()) for each in job["schedules"])
    return [names.tick(name, number) for number in range(1, count + 1)]


def find(cloud: Cloud, expected: set[tuple[str, str]], listed: Iterable[Listed] | None = None) -> list[Undeclared]:
    """The stage's stacks, rules, schedules and functions that are not expected.

    Stacks are first. listed: the answer of `resources`, if it was read already.
    """
    deployed = stacks(cloud)
    listed = resources(cloud) if listed is None else listed
    loose = [each for each in listed if (each.kind, each.name) not in expected]
    owned = dict(owners(cloud, [stack.name for stack in deployed])) if loose else {}
    found = [
        Undeclared(STACK, stack.name, None, False, stack.id)
        for stack in deployed
        if (STACK, stack.name) not in expected
    ]
    for each in loose:
        owner = owned.get((each.kind, each.name))
        found.append(Undeclared(each.kind, each.name, owner, owner is not None and (STACK, owner) in expected, each.id))
    return found


def blocked(cloud: Cloud, expected: set[tuple[str, str]], listed: Iterable[Listed]) -> list[Listed]:
    """Declared resources that start no run.

    Disabled rules and schedules, and functions with a reserved concurrency of 0. One call for each function: no list
    contains its concurrency.
    """
    return [
        each
        for each in listed
        if (each.kind, each.name) in expected
        and (_reserves_nothing(cloud, each.name) if each.kind == FUNCTION else not each.enabled)
    ]


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


def stacks(cloud: Cloud) -> list[DeployedStack]:
    """The stage's stacks, without deleted ones."""
    pages = cloud.stacks.get_paginator("describe_stacks").paginate()
    return [
        DeployedStack(
            stack["StackName"],
            stack["StackId"],
            stack["StackStatus"],
            stack.get("LastUpdatedTime", stack["CreationTime"]),
        )
        for page in pages
        for stack in page["Stacks"]
        if stack["StackName"].startswith(cloud.names.of(""))
    ]


def resources(cloud: Cloud) -> list[Listed]:
    """The stage's rules, schedules and functions."""
    return list(_listed(cloud))


def _listed(cloud: Cloud) -> Iterator[Listed]:
    prefix = cloud.names.of("")
    for rules in cloud.rules.get_paginator("list_rules").paginate(NamePrefix=prefix):
        for rule in rules["Rules"]:
            yield Listed(RULE, rule["Name"], rule["Arn"], rule.get("State") != "DISABLED")
    for schedules in cloud.schedules.get_paginator("list_schedules").paginate(NamePrefix=prefix):
        for each in schedules["Schedules"]:
            yield Listed(SCHEDULE, each["Name"], each["Arn"], each.get("State") != "DISABLED")
    for functions in cloud.functions.get_paginator("list_functions").paginate():
        for function in functions["Functions"]:
            if function["FunctionName"].startswith(prefix):
                yield Listed(FUNCTION, function["FunctionName"], function["FunctionArn"])


def _reserves_nothing(cloud: Cloud, function: str) -> bool:
    try:
        answer = cloud.functions.get_function_concurrency(FunctionName=function)
    except cloud.functions.exceptions.ResourceNotFoundException:
        return False  # Deleted since it was listed.
    return answer.get("ReservedConcurrentExecutions") == 0


def owners(cloud: Cloud, of_stacks: Iterable[str]) -> Iterator[tuple[tuple[str, str], str]]:
    """Kind and name of the resources of stacks, each with its stack."""
    pages: Any = cloud.stacks.get_paginator("list_stack_resources")
    for stack in of_stacks:
        for page in pages.paginate(StackName=stack):
            for resource in page["StackResourceSummaries"]:
                if kind := KINDS.get(resource["ResourceType"]):
                    yield (kind, resource.get("PhysicalResourceId", "").rpartition("|")[2]), stack
