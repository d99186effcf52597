"""Every property that a template may contain is implemented, completed, or listed as idle."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.engine import properties
from local.engine.properties import COMPLETED, IDLE, KEPT, DroppedProperty
from tests.local.conftest import Account, archive, eventually
from tests.support.deployed_cloud import read
from tests.support.template_resources import resources


def deploy(account: Account, word: str, number: int) -> None:
    formation = account.client("cloudformation")
    template = json.dumps({"Resources": resources(account.id, word, number)})
    capabilities = ["CAPABILITY_NAMED_IAM"]
    if word == "old":
        formation.create_stack(StackName="all", TemplateBody=template, Capabilities=capabilities)
    else:
        formation.update_stack(StackName="all", TemplateBody=template, Capabilities=capabilities)
    status = eventually(lambda: settled(formation), 60)
    assert status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), [
        event.get("ResourceStatusReason")
        for event in formation.describe_stack_events(StackName="all")["StackEvents"]
        if event["ResourceStatus"].endswith("FAILED")
    ]


def settled(formation: Any) -> str | None:
    status: str = formation.describe_stacks(StackName="all")["Stacks"][0]["StackStatus"]
    return None if status.endswith("IN_PROGRESS") else status


@pytest.fixture
def code(account: Account) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket=f"code-{account.id}")
    for name in ("old", "new", "layer"):
        source = f"def handle(event, context): return '{name}'"
        s3.put_object(Bucket=f"code-{account.id}", Key=f"{name}.zip", Body=archive(source))


@pytest.mark.usefixtures("code")
def test_every_property_is_in_place_after_a_create_and_after_an_update(account: Account) -> None:
    for word, number in (("old", 1), ("new", 2)):
        deploy(account, word, number)
        found = read(account)
        for name, resource in resources(account.id, word, number).items():
            wanted = resolved(resource["Properties"], account)
            assert found[name] == wanted, f"{name}, {word}"


def test_the_resources_of_these_tests_have_every_listed_property() -> None:
    have = {
        (resource["Type"], path)
        for resource in resources("123456789012", "old", 1).values()
        for path in properties._paths(resource["Properties"])
    }
    promised = {(kind, path) for table in (KEPT, COMPLETED) for kind, names in table.items() for path in names.split()}
    assert {(kind, path) for kind, path in promised if not covered(kind, path, have)} == set()


def covered(kind: str, path: str, have: set[tuple[str, str]]) -> bool:
    return any(other == kind and (found == path or found.startswith(f"{path}.")) for other, found in have)


def resolved(value: Any, account: Account) -> Any:
    """Resolve references."""
    if isinstance(value, list):
        return [resolved(entry, account) for entry in value]
    if not isinstance(value, dict):
        return value
    if "Ref" in value:
        return NAMES[value["Ref"]].format(id=account.id)
    if "Fn::GetAtt" in value:
        return ARNS[value["Fn::GetAtt"][0]].format(id=account.id)
    return {name: resolved(entry, account) for name, entry in value.items()}


NAMES = {
    "AWS::AccountId": "{id}",
    "Bucket": "artifacts-{id}",
    "Function": "job",
    "Key": "the key",
    "Layer": "the newest layer",
    "Logs": "/aws/lambda/job",
    "Queue": "work",
    "Role": "runs",
    "Schedules": "zoned",
    "Topic": "arn:aws:sns:us-east-1:{id}:alerts",
}
ARNS = {
    "Dead": "arn:aws:sqs:us-east-1:{id}:dead",
    "Function": "arn:aws:lambda:us-east-1:{id}:function:job",
    "Queue": "arn:aws:sqs:us-east-1:{id}:work",
    "Role": "arn:aws:iam::{id}:role/runs",
    "Rule": "arn:aws:events:us-east-1:{id}:rule/tick",
}


def template(kind: str, wanted: dict[str, Any]) -> dict[str, Any]:
    return {"stack": {"Resources": {"Thing": {"Type": kind, "Properties": wanted}}}}


@pytest.mark.parametrize(
    ("kind", "wanted", "path"),
    [
        ("AWS::SQS::Queue", {"VisibiltyTimeout": 30}, "VisibiltyTimeout"),
        ("AWS::SQS::Queue", {"RedrivePolicy": {"maxReceiveCout": 3}}, "RedrivePolicy.maxReceiveCout"),
        ("AWS::Events::Rule", {"Targets": [{"RetryPolice": {"Maximum": 1}}]}, "Targets.RetryPolice.Maximum"),
        ("AWS::Lambda::Function", {"DeadLetterConfig": {"TargetArn": "x"}}, "DeadLetterConfig.TargetArn"),
        ("AWS::Unheard::Of", {"Name": "x"}, "Name"),
    ],
)
def test_an_unlisted_property_stops_the_deployment(kind: str, wanted: Any, path: str) -> None:
    with pytest.raises(DroppedProperty) as stopped:
        properties.check(template(kind, wanted))
    assert f"stack: Thing ({kind}): {path}" in str(stopped.value)


def test_an_idle_property_has_a_reason() -> None:
    assert all(reason for names in IDLE.values() for reason in names.values())
    properties.check(template("AWS::S3::Bucket", {"BucketEncryption": {"ServerSideEncryptionConfiguration": []}}))


def test_a_policy_is_one_property_however_deep() -> None:
    properties.check(template("AWS::SQS::QueuePolicy", {"Queues": [{"Ref": "Q"}], "PolicyDocument": {"Any": [1]}}))


@pytest.mark.parametrize("expression", ["cron(0 0 * * * *)", "rate(1 minutes)", "cron(61 * * * ? *)"])
def test_a_schedule_that_aws_refuses_fails_its_stack(account: Account, expression: str) -> None:
    formation = account.client("cloudformation")
    rule = {"Type": "AWS::Events::Rule", "Properties": {"Name": "tick", "ScheduleExpression": expression}}
    formation.create_stack(StackName="all", TemplateBody=json.dumps({"Resources": {"Rule": rule}}))
    assert eventually(lambda: settled(formation)) in ("ROLLBACK_COMPLETE", "CREATE_FAILED")


def test_a_resource_type_without_effect_can_be_deployed(account: Account) -> None:
    formation = account.client("cloudformation")
    alarm = {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": {"AlarmName": "any", "AlarmRule": "FALSE"}}
    formation.create_stack(StackName="all", TemplateBody=json.dumps({"Resources": {"Alarm": alarm}}))
    assert eventually(lambda: settled(formation)) == "CREATE_COMPLETE"
