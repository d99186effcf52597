"""A deployment that is about to happen: templates before and after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from infra.template import Template, resources, text

# Property that contains the physical name, and properties whose change makes CloudFormation create another resource.
# `tests/cli/preflight/test_change.py` compares them with the schemas of cfn-lint.
NAMED_BY = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::Rule": "Name",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::SecretsManager::Secret": "Name",
}
CREATE_ONLY = {
    **{kind: (name,) for kind, name in NAMED_BY.items()},
    "AWS::DynamoDB::Table": ("TableName", "KeySchema", "LocalSecondaryIndexes"),
    "AWS::Lambda::Function": ("FunctionName", "PackageType"),
    "AWS::SNS::Topic": ("TopicName", "FifoTopic"),
    "AWS::SQS::Queue": ("QueueName", "FifoQueue"),
}
# Their data is lost with them.
STORES = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SecretsManager::Secret", "AWS::SQS::Queue")


class Named(NamedTuple):
    """A resource with a physical name."""

    type: str
    name: str
    stack: str
    id: str
    properties: Mapping[str, Any]
    resource: Mapping[str, Any]

    @property
    def where(self) -> str:
        return f"{self.stack}/{self.id}"

    @property
    def retained(self) -> bool:
        return str(self.resource.get("DeletionPolicy", "")).startswith("Retain")


@dataclass(frozen=True)
class Change:
    """Templates by stack.

    `before` is what is deployed, or another revision's.
    """

    stage: str
    before: Mapping[str, Template]
    after: Mapping[str, Template]
    region: str = ""
    #: Where each setting of the new templates comes from; default: its declaration.
    sources: Mapping[str, str] = field(default_factory=dict)
    #: Secrets that the stage's file declares to use, by logical name.
    secrets: tuple[str, ...] = ()

    def gone(self, kind: str) -> Iterator[Named]:
        """Resources of a type whose name no new template contains."""
        left = {named.name for named in named_resources(self.after, kind)}
        yield from (named for named in named_resources(self.before, kind) if named.name not in left)


def named_resources(templates: Mapping[str, Template], *kinds: str) -> Iterator[Named]:
    """Resources with a physical name, of the given types if any."""
    for resource in resources(templates, *(kinds or NAMED_BY)):
        name = resource.properties.get(NAMED_BY[resource.type])
        if name is not None:
            whole = templates[resource.stack]["Resources"][resource.id]
            yield Named(resource.type, text(name), resource.stack, resource.id, resource.properties, whole)
