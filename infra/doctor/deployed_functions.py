"""Index of templates by function: its resources, and what starts it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.template import Resource, Template, resources, text

FUNCTION = "AWS::Lambda::Function"
# Type -> the property that names the function.
PARTS = {
    "AWS::Lambda::EventInvokeConfig": "FunctionName",
    "AWS::Lambda::EventSourceMapping": "FunctionName",
    "AWS::Lambda::Permission": "FunctionName",
    "AWS::Lambda::Url": "TargetFunctionArn",
}
STARTERS = ("AWS::Events::Rule", "AWS::Scheduler::Schedule")


@dataclass(frozen=True)
class DeployedFunction:
    """A function with the resources that refer to it."""

    resource: Resource
    parts: Mapping[str, list[Resource]] = field(default_factory=lambda: defaultdict(list))
    #: Rules and schedules, each with its target.
    starters: list[tuple[Resource, Mapping[str, Any]]] = field(default_factory=list)

    @property
    def where(self) -> str:
        return f"{self.resource.stack}/{self.resource.id}"

    @property
    def name(self) -> str:
        return text(self.resource.properties.get("FunctionName", self.resource.id))


def read(templates: Mapping[str, Template]) -> list[DeployedFunction]:
    """Every function of the templates."""
    functions: dict[str, DeployedFunction] = {}
    for resource in resources(templates, FUNCTION):
        function = DeployedFunction(resource)
        for key in (f"<{resource.id}>", f"<{resource.id}.Arn>"):
            functions[resource.stack + key] = function
        functions[function.name] = function
    for part in resources(templates, *PARTS):
        name = text(part.properties.get(PARTS[part.type], ""))
        found = functions.get(part.stack + name) or functions.get(name.rpartition(":")[2])
        if found:
            found.parts[part.type].append(part)
    for starter in resources(templates, *STARTERS):
        for target in targets(starter):
            arn = text(target.get("Arn", ""))
            found = functions.get(starter.stack + arn) or functions.get(arn.rpartition(":")[2])
            if found:
                found.starters.append((starter, target))
    return list({id(function): function for function in functions.values()}.values())


def targets(starter: Resource) -> Iterator[Mapping[str, Any]]:
    if "Target" in starter.properties:
        yield starter.properties["Target"]
    yield from starter.properties.get("Targets", [])


def queues(templates: Mapping[str, Template]) -> dict[str, Resource]:
    """Queues by each text that refers to them.

    Name, ARN, and references within their stack.
    """
    found = {}
    for queue in resources(templates, "AWS::SQS::Queue"):
        name = text(queue.properties.get("QueueName", queue.id))
        for key in (name, f"{queue.stack}<{queue.id}.Arn>", f"{queue.stack}<{queue.id}>"):
            found[key] = queue
    return found


def queue_of(queues_by_text: Mapping[str, Resource], stack: str, reference: Any) -> Resource | None:
    """The queue that a property of a stack's resource refers to."""
    arn = text(reference)
    return queues_by_text.get(stack + arn) or queues_by_text.get(arn.rpartition(":")[2])
