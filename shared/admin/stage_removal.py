"""Removal of a stage: stacks in the reverse order of deployment."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.admin import drift
from shared.aws.names import FRONT_STACK, PLATFORM_GROUP, STATE_STACK

if TYPE_CHECKING:
    from shared.admin.drift import DeployedStack
    from shared.aws.cloud import Cloud

# Groups are between the first two and are deleted together.
FIRST, LAST = (FRONT_STACK,), (PLATFORM_GROUP, STATE_STACK)
# Deletion policies of resources that stay.
RETAINING = ("Retain", "RetainExceptOnCreate")
POLL_SECONDS, POLLS = 5, 720
# Maximum of one request of S3.
AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Kept:
    """A resource that stays when its stack is deleted."""

    kind: str
    name: str


def steps(cloud: Cloud) -> list[list[DeployedStack]]:
    """The stage's stacks, in the order of their deletion.

    Those of one step may be deleted at the same time.
    """
    found = {stack.name: stack for stack in drift.stacks(cloud)}
    single = [[found.pop(cloud.names.stack(name), None)] for name in (*FIRST, *LAST)]
    front, *last = [[stack for stack in step if stack] for step in single]
    return [step for step in (front, list(found.values()), *last) if step]


def protected(cloud: Cloud) -> list[str]:
    """Names of the stage's stacks that AWS refuses to delete."""
    pages = cloud.stacks.get_paginator("describe_stacks").paginate()
    return [
        stack["StackName"]
        for page in pages
        for stack in page["Stacks"]
        if stack["StackName"].startswith(cloud.names.of("")) and stack.get("EnableTerminationProtection")
    ]


def unprotecting(cloud: Cloud, stack: str) -> str:
    """The command that lifts a stack's protection from deletion."""
    words = ("aws", "cloudformation", "update-termination-protection", "--no-enable-termination-protection")
    return shlex.join([*words, "--region", cloud.names.region, "--stack-name", stack])


def kept(cloud: Cloud, stack: DeployedStack) -> list[Kept]:
    """Resources that stay, by the template that is deployed."""
    template: Any = cloud.stacks.get_template(StackName=stack.id)["TemplateBody"]
    retained = {name for name, resource in template["Resources"].items() if resource.get("DeletionPolicy") in RETAINING}
    return [
        Kept(resource["ResourceType"], resource.get("PhysicalResourceId", ""))
        for page in cloud.stacks.get_paginator("list_stack_resources").paginate(StackName=stack.id)
        for resource in page["StackResourceSummaries"]
        if resource["LogicalResourceId"] in retained and not resource["ResourceStatus"].startswith("DELETE_")
    ]


def empty_bucket(cloud: Cloud) -> int:
    """Delete every version of every object, and count them.

    CloudFormation deletes no bucket that contains one.
    """
    count = 0
    try:
        for page in cloud.s3.get_paginator("list_object_versions").paginate(Bucket=cloud.names.bucket):
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            for part in range(0, len(found), AT_ONCE):
                objects: Any = [
                    {"Key": one["Key"], "VersionId": one["VersionId"]} for one in found[part : part + AT_ONCE]
                ]
                cloud.s3.delete_objects(Bucket=cloud.names.bucket, Delete={"Objects": objects, "Quiet": True})
            count += len(found)
    except cloud.s3.exceptions.NoSuchBucket:
        return 0
    return count


def remove(cloud: Cloud, step: list[DeployedStack], report: Callable[[str], None]) -> Iterator[DeployedStack]:
    """Delete the stacks of a step; yields each that is deleted.

    Raises WaiterError for one that is not.
    """
    for stack in step:
        report(f"deleting the stack {stack.name}")
        cloud.stacks.delete_stack(StackName=stack.id)
    waiter = cloud.stacks.get_waiter("stack_delete_complete")
    for stack in step:
        waiter.wait(StackName=stack.id, WaiterConfig={"Delay": POLL_SECONDS, "MaxAttempts": POLLS})
        yield stack
