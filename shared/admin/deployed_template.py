"""Template of a deployed stack, with references resolved to physical names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.text.untrusted_json import parse_json

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.aws.names import Names

# CloudFormation resource type -> service and resource of the ARN that `Fn::GetAtt Arn` returns.
ARNS = {
    "AWS::Lambda::Function": ("lambda", "function:{}"),
    "AWS::Logs::LogGroup": ("logs", "log-group:{}:*"),
    "AWS::Events::Rule": ("events", "rule/{}"),
}
FUNCTIONS = ("Ref", "Fn::GetAtt", "Fn::Join")


class Unresolved(Exception):
    """A value that only CloudFormation can resolve."""


@dataclass(frozen=True, slots=True)
class DeployedTemplate:
    """A stack's template and the physical ids of its resources."""

    cloud: Cloud
    stack: str
    template: Mapping[str, Any]
    physical: Mapping[str, str]

    def resources(self, kind: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Logical id, physical id and properties of resources of a type."""
        for logical, resource in self.template.get("Resources", {}).items():
            if resource["Type"] == kind and logical in self.physical:
                yield logical, self.physical[logical], resource.get("Properties", {})

    def resolve(self, value: Any) -> Any:
        """The value as CloudFormation passes it on. Raises Unresolved."""
        match value:
            case {"Ref": str(name)}:
                return self._reference(name)
            case {"Fn::GetAtt": [str(name), "Arn"]}:
                return self._arn(name)
            case {"Fn::Join": [str(separator), [*parts]]}:
                return separator.join(str(self.resolve(part)) for part in parts)
            case Mapping():
                if any(name.startswith("Fn::") for name in value):
                    raise Unresolved(str(value))
                return {name: self.resolve(part) for name, part in value.items()}
            case list():
                return [self.resolve(part) for part in value]
            case _:
                return value

    def _reference(self, name: str) -> str:
        pseudo = {**pseudo_parameters(self.cloud.names), "AWS::StackName": self.stack}
        if name not in pseudo and name not in self.physical:
            raise Unresolved(name)
        return pseudo.get(name) or self.physical[name]

    def _arn(self, name: str) -> str:
        kind = self.template["Resources"].get(name, {}).get("Type", "")
        if kind not in ARNS or name not in self.physical:
            raise Unresolved(f"{name}.Arn")
        service, pattern = ARNS[kind]
        return self.cloud.names.arn(service, pattern.format(self.physical[name]))


def pseudo_parameters(names: Names) -> dict[str, str]:
    """Values of pseudo parameters, without that of the stack."""
    return {
        "AWS::AccountId": names.account,
        "AWS::Region": names.region,
        "AWS::Partition": names.partition,
        "AWS::URLSuffix": names.suffix,
    }


def read(cloud: Cloud, stack: str) -> DeployedTemplate:
    """Read the template of a stack and its list of resources."""
    body: Any = cloud.stacks.get_template(StackName=stack)["TemplateBody"]
    physical: dict[str, str] = {}
    pages: Any = cloud.stacks.get_paginator("list_stack_resources")
    for page in pages.paginate(StackName=stack):
        for resource in page["StackResourceSummaries"]:
            physical[resource["LogicalResourceId"]] = resource.get("PhysicalResourceId", "")
    return DeployedTemplate(cloud, stack, parse_json(body) if isinstance(body, str) else body, physical)
