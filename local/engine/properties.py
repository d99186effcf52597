"""Support of CloudFormation properties: each property that a template may contain.

ministack's CloudFormation accepts every property and ignores many, misspelt ones included. So each is listed here: KEPT
by ministack (tests/local/test_properties.py checks it by reading from the service), COMPLETED by
local/engine/cfn_gaps.py, or IDLE: without effect on one machine, for a reason. Another property stops the deployment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# A name covers all properties below it.
KEPT = {
    "AWS::CloudWatch::Alarm": (
        "ActionsEnabled AlarmActions AlarmDescription AlarmName ComparisonOperator DatapointsToAlarm Dimensions "
        "EvaluationPeriods InsufficientDataActions MetricName Namespace OKActions Period Statistic Threshold "
        "TreatMissingData"
    ),
    "AWS::CloudWatch::Dashboard": "DashboardBody DashboardName",
    "AWS::DynamoDB::Table": (
        "AttributeDefinitions.AttributeName AttributeDefinitions.AttributeType BillingMode DeletionProtectionEnabled "
        "GlobalSecondaryIndexes.IndexName GlobalSecondaryIndexes.KeySchema.AttributeName "
        "GlobalSecondaryIndexes.KeySchema.KeyType GlobalSecondaryIndexes.Projection.NonKeyAttributes "
        "GlobalSecondaryIndexes.Projection.ProjectionType KeySchema.AttributeName KeySchema.KeyType TableName"
    ),
    "AWS::Events::Rule": (
        "Description Name ScheduleExpression State Targets.Arn Targets.DeadLetterConfig.Arn Targets.Id "
        "Targets.Input Targets.RetryPolicy.MaximumEventAgeInSeconds Targets.RetryPolicy.MaximumRetryAttempts"
    ),
    "AWS::IAM::Policy": "PolicyDocument PolicyName Roles",
    "AWS::IAM::Role": "AssumeRolePolicyDocument Description ManagedPolicyArns Policies RoleName",
    "AWS::KMS::Alias": "AliasName TargetKeyId",
    "AWS::KMS::Key": "Description EnableKeyRotation KeyPolicy",
    "AWS::Lambda::EventInvokeConfig": (
        "DestinationConfig.OnFailure.Destination FunctionName MaximumEventAgeInSeconds MaximumRetryAttempts Qualifier"
    ),
    "AWS::Lambda::EventSourceMapping": (
        "BatchSize Enabled EventSourceArn FunctionName FunctionResponseTypes ScalingConfig.MaximumConcurrency"
    ),
    "AWS::Lambda::Function": (
        "Architectures Code.S3Bucket Code.S3Key Code.ZipFile Description Environment.Variables FunctionName "
        "Handler Layers LoggingConfig.LogFormat LoggingConfig.LogGroup MemorySize Role Runtime Timeout"
    ),
    "AWS::Lambda::LayerVersion": (
        "CompatibleArchitectures CompatibleRuntimes Content.S3Bucket Content.S3Key Description LayerName"
    ),
    "AWS::Lambda::Permission": (
        "Action FunctionName FunctionUrlAuthType InvokedViaFunctionUrl Principal SourceAccount SourceArn"
    ),
    "AWS::Lambda::Url": "AuthType Cors InvokeMode TargetFunctionArn",
    "AWS::Logs::LogGroup": "LogGroupName RetentionInDays",
    "AWS::S3::Bucket": "BucketName PublicAccessBlockConfiguration VersioningConfiguration.Status",
    "AWS::S3::BucketPolicy": "Bucket PolicyDocument",
    "AWS::SNS::Subscription": "Endpoint FilterPolicy FilterPolicyScope Protocol RawMessageDelivery TopicArn",
    "AWS::SNS::Topic": "DisplayName TopicName",
    "AWS::SNS::TopicPolicy": "PolicyDocument Topics",
    "AWS::SQS::Queue": (
        "DelaySeconds MessageRetentionPeriod QueueName ReceiveMessageWaitTimeSeconds "
        "RedrivePolicy.deadLetterTargetArn RedrivePolicy.maxReceiveCount SqsManagedSseEnabled VisibilityTimeout"
    ),
    "AWS::SQS::QueuePolicy": "PolicyDocument Queues",
    "AWS::Scheduler::Schedule": "Description FlexibleTimeWindow.Mode GroupName Name ScheduleExpression State",
    "AWS::Scheduler::ScheduleGroup": "Name",
    "AWS::SecretsManager::Secret": "Description Name SecretString",
}
COMPLETED = {
    "AWS::DynamoDB::Table": (
        "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled TimeToLiveSpecification.AttributeName "
        "TimeToLiveSpecification.Enabled"
    ),
    "AWS::Lambda::Function": "ReservedConcurrentExecutions",
    "AWS::Scheduler::Schedule": (
        "EndDate ScheduleExpressionTimezone StartDate Target.Arn Target.DeadLetterConfig.Arn Target.Input "
        "Target.RetryPolicy.MaximumEventAgeInSeconds Target.RetryPolicy.MaximumRetryAttempts Target.RoleArn"
    ),
    "AWS::SecretsManager::Secret": "GenerateSecretString",
}
IDLE = {
    "AWS::CDK::Metadata": {"Analytics": "usage statistics of the CDK"},
    "AWS::CloudWatch::CompositeAlarm": dict.fromkeys(
        ("AlarmActions", "AlarmDescription", "AlarmName", "AlarmRule", "OKActions"), "alarms do not notify anybody here"
    ),
    "AWS::DynamoDB::Table": {"SSESpecification": "nothing is encrypted at rest on a laptop"},
    "AWS::Lambda::EventSourceMapping": {
        "MaximumBatchingWindowInSeconds": "a batch is delivered as soon as there is a message"
    },
    "AWS::S3::Bucket": {
        "BucketEncryption": "nothing is encrypted at rest on a laptop",
        "LifecycleConfiguration": "objects do not live long enough; `make run` starts from fresh state",
        "OwnershipControls": "there is one account",
    },
    "AWS::SNS::Topic": {"KmsMasterKeyId": "nothing is encrypted at rest on a laptop"},
    "AWS::SecretsManager::Secret": {"KmsKeyId": "nothing is encrypted at rest on a laptop"},
}
INTRINSIC = ("Ref", "Condition")


class DroppedProperty(Exception):
    """Templates contain properties that the local cloud would ignore."""


def check(templates: Mapping[str, Any]) -> None:
    """`templates` by stack. Raises DroppedProperty with every property that no list has."""
    dropped = [
        f"{stack}: {name} ({resource['Type']}): {path}"
        for stack, template in templates.items()
        for name, resource in template.get("Resources", {}).items()
        for path in sorted(set(_paths(resource.get("Properties", {}))))
        if not _known(resource["Type"], path)
    ]
    if dropped:
        raise DroppedProperty(
            "The local cloud would ignore these. If they are spelt right, list them in local/engine/properties.py, and "
            "complete those with an effect in local/engine/cfn_gaps.py:\n  " + "\n  ".join(dropped)
        )


def templates_in(assembly: Path) -> dict[str, Any]:
    return {
        file.name.removesuffix(".template.json"): json.loads(file.read_text())
        for file in sorted(assembly.glob("*.template.json"))
    }


def _known(resource: str, path: str) -> bool:
    if path.partition(".")[0] == "Tags":
        # The local cloud ignores these properties.
        return True
    names = {*KEPT.get(resource, "").split(), *COMPLETED.get(resource, "").split(), *IDLE.get(resource, {})}
    steps = path.split(".")
    return any(".".join(steps[:length]) in names for length in range(1, len(steps) + 1))


def _paths(value: Any, above: str = "") -> Iterator[str]:
    """Dotted names of all leaves; lists have their entries' names."""
    if isinstance(value, list) and value:
        for entry in value:
            yield from _paths(entry, above)
    elif isinstance(value, dict) and value and not _is_intrinsic(value):
        for name, below in value.items():
            yield from _paths(below, f"{above}.{name}" if above else name)
    elif above:
        yield above


def _is_intrinsic(value: dict[str, Any]) -> bool:
    return len(value) == 1 and (next(iter(value)) in INTRINSIC or next(iter(value)).startswith("Fn::"))
