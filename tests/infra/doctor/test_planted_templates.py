"""Each trap that is planted into a deployment without faults is found, with a fix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from infra import doctor
from infra.template import Template
from tests.support.small_templates import GROUP, STATE, index, small

Plant = Callable[[dict[str, Any], dict[str, Any]], object]


def without(part: dict[str, Any], name: str) -> None:
    del part["Properties"][name]


def put(part: dict[str, Any], **properties: Any) -> None:
    part["Properties"].update(properties)


def more_resources(group: dict[str, Any], _: dict[str, Any]) -> None:
    for number in range(500):
        group[f"Topic{number}"] = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": f"t{number}"}}


def long_name(group: dict[str, Any], _: dict[str, Any]) -> None:
    put(group["Tick"], FunctionName="x" * 70)
    put(group["TickLogs"], LogGroupName=f"/aws/lambda/{'x' * 70}")


def statement(group: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = group["TickRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0]
    return found


# Name of the fault -> what plants it, the check that finds it, and a part of the problem.
FAULTS: dict[str, tuple[Plant, str, str]] = {
    "no invoke config": (lambda g, _: g.pop("TickInvoke"), "async-start", "repeats a failed"),
    "two retries": (lambda g, _: put(g["TickInvoke"], MaximumRetryAttempts=2), "async-start", "repeats a failed"),
    "event age": (lambda g, _: without(g["TickInvoke"], "MaximumEventAgeInSeconds"), "async-start", "six hours"),
    "no destination": (lambda g, _: without(g["TickInvoke"], "DestinationConfig"), "async-start", "no trace"),
    "rule with a time zone": (
        lambda g, _: put(g["TickRule"], ScheduleExpressionTimezone="Europe/Berlin"),
        "schedule",
        "fire in UTC",
    ),
    "disabled rule": (lambda g, _: put(g["TickRule"], State="DISABLED"), "schedule", "disabled"),
    "rule without target": (lambda g, _: put(g["TickRule"], Targets=[]), "schedule", "no target"),
    "rule without dead letters": (
        lambda g, _: g["TickRule"]["Properties"]["Targets"][0].pop("DeadLetterConfig"),
        "schedule",
        "lost",
    ),
    "rule without permission": (lambda g, _: g.pop("TickPermission"), "schedule", "may not invoke"),
    "schedule without role": (lambda g, _: g["Zoned"]["Properties"]["Target"].pop("RoleArn"), "schedule", "role"),
    "flexible window": (
        lambda g, _: put(g["Zoned"], FlexibleTimeWindow={"Mode": "FLEXIBLE"}),
        "schedule",
        "flexible window",
    ),
    "visibility": (lambda g, _: put(g["Queue"], VisibilityTimeout=60), "consumer", "visibility timeout"),
    "no partial failures": (lambda g, _: without(g["Mapping"], "FunctionResponseTypes"), "consumer", "whole batch"),
    "no redrive": (lambda g, _: without(g["Queue"], "RedrivePolicy"), "consumer", "no dead-letter queue"),
    "two receives": (
        lambda g, _: g["Queue"]["Properties"]["RedrivePolicy"].update(maxReceiveCount=2),
        "consumer",
        "throttled ones count",
    ),
    "dead letters expire": (lambda g, _: put(g["Dead"], MessageRetentionPeriod=345_600), "consumer", "on arrival"),
    "no maximum": (lambda g, _: without(g["Mapping"], "ScalingConfig"), "consumer", "whole concurrency"),
    "batch without window": (lambda g, _: put(g["Mapping"], BatchSize=100), "consumer", "window"),
    "disabled mapping": (lambda g, _: put(g["Mapping"], Enabled=False), "consumer", "disabled"),
    "reserved consumer": (lambda g, _: put(g["Eat"], ReservedConcurrentExecutions=5), "consumer", "refuses"),
    "reserved nothing": (lambda g, _: put(g["Tick"], ReservedConcurrentExecutions=0), "function", "is 0"),
    "no timeout": (lambda g, _: without(g["Tick"], "Timeout"), "function", "3 s"),
    "large environment": (
        lambda g, _: put(g["Tick"], Environment={"Variables": {"A": "x" * 5000}}),
        "function",
        "4,096",
    ),
    "long name": (long_name, "function", "at most 64"),
    "dead-letter config": (lambda g, _: put(g["Tick"], DeadLetterConfig={"TargetArn": "q"}), "function", "reason"),
    "log without end": (lambda g, _: without(g["TickLogs"], "RetentionInDays"), "logs", "never expires"),
    "no log group": (lambda g, _: g.pop("TickLogs"), "logs", "first run"),
    "URL without permission": (lambda g, _: g.pop("PagePermission"), "function-url", "403"),
    "URL without URL permission": (lambda g, _: g.pop("PageUrlPermission"), "function-url", "403"),
    "plain queue": (lambda g, _: without(g["Queue"], "SqsManagedSseEnabled"), "data", "not encrypted"),
    "no backups": (lambda _, s: without(s["Table"], "PointInTimeRecoverySpecification"), "data", "no backups"),
    "21 indexes": (
        lambda _, s: put(s["Table"], GlobalSecondaryIndexes=[index(f"i{n}") for n in range(21)]),
        "data",
        "at most 20",
    ),
    "provisioned": (lambda _, s: put(s["Table"], BillingMode="PROVISIONED"), "data", "bursts"),
    "protected, not retained": (lambda _, s: s["Table"].pop("DeletionPolicy"), "data", "deletion of its stack fails"),
    "public bucket": (lambda _, s: without(s["Bucket"], "PublicAccessBlockConfiguration"), "data", "public"),
    "old versions": (lambda _, s: without(s["Bucket"], "LifecycleConfiguration"), "data", "old versions"),
    "every action": (lambda g, _: statement(g).update(Action=["dynamodb:*"]), "role", "dynamodb:*"),
    "every resource": (lambda g, _: statement(g).update(Resource=["*"]), "role", "every resource"),
    "managed policy": (lambda g, _: put(g["TickRole"], ManagedPolicyArns=["a"]), "role", "managed policy"),
    "too many resources": (more_resources, "stack-size", "resources"),
    "one name twice": (lambda g, _: put(g["Dead"], QueueName="nightshift-prod-food"), "stack-size", "are named"),
}


def test_a_deployment_without_faults_has_no_findings() -> None:
    assert list(doctor.of_templates(small())) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_nothing_else(name: str) -> None:
    plant, check, part = FAULTS[name]
    templates: Mapping[str, Template] = small()
    plant(templates[GROUP]["Resources"], templates[STATE]["Resources"])
    found = list(doctor.of_templates(templates))
    assert [finding.check for finding in found if part in finding.problem] == [check]
    assert all(finding.check == check for finding in found)
    assert all(finding.fix and finding.where for finding in found)


def test_at_least_twenty_faults_are_planted() -> None:
    assert len(FAULTS) >= 20
