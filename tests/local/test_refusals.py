"""CloudFormation and S3 refuse what AWS refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from local.engine import emulator, refusals
from tests.local.conftest import ROLE, Account, eventually

ACTION = {"Id": "one", "Arn": "arn:aws:lambda:us-east-1:000000000000:function:none"}
KEY = {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"}
ATTRIBUTES = [{"AttributeName": "pk", "AttributeType": "S"}]
TARGET = {"Arn": ACTION["Arn"], "RoleArn": "arn:aws:iam::000000000000:role/none"}
FLEXIBLE = {"FlexibleTimeWindow": {"Mode": "OFF"}}
ALARM = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "Threshold": 1, "Namespace": "n"}
PROPERTIES: Mapping[str, Mapping[str, Any]] = {
    "AWS::CloudWatch::Alarm": {**ALARM, "MetricName": "m", "Period": 60, "Statistic": "Sum"},
    "AWS::CloudWatch::Dashboard": {"DashboardBody": "{}"},
    "AWS::DynamoDB::Table": {**KEY, "AttributeDefinitions": ATTRIBUTES},
    "AWS::Events::Rule": {"ScheduleExpression": "cron(0 1 * * ? *)", "State": "ENABLED"},
    "AWS::Lambda::Function": {
        "Runtime": "python3.13",
        "Handler": "index.handle",
        "Role": ROLE.format(account="000000000000"),
        "Code": {"ZipFile": "def handle(event, context): pass"},
    },
    "AWS::Logs::LogGroup": {},
    "AWS::SNS::Topic": {},
    "AWS::SQS::Queue": {},
    "AWS::Scheduler::Schedule": {"ScheduleExpression": "cron(0 1 * * ? *)", "Target": TARGET, **FLEXIBLE},
    "AWS::SecretsManager::Secret": {},
}


def resource(kind: str, name: str, **attributes: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": {refusals.NAMED[kind]: name, **PROPERTIES[kind]}, **attributes}


def settled(account: Account, stack: str) -> str | None:
    stacks = account.client("cloudformation").list_stacks()["StackSummaries"]
    [status] = [found["StackStatus"] for found in stacks if found["StackName"] == stack][:1]
    return None if status.endswith("IN_PROGRESS") else str(status)


def create(account: Account, stack: str, **resources: Any) -> str:
    body = json.dumps({"Resources": resources})
    account.client("cloudformation").create_stack(StackName=stack, TemplateBody=body)
    return str(eventually(lambda: settled(account, stack), 30))


def delete(account: Account, stack: str) -> str:
    account.client("cloudformation").delete_stack(StackName=stack)
    return str(eventually(lambda: settled(account, stack), 30))


def reasons(account: Account, stack: str) -> str:
    events = account.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    return "\n".join(event.get("ResourceStatusReason", "") for event in events)


@pytest.mark.parametrize("kind", refusals.NAMED)
def test_a_physical_name_that_exists_is_refused_and_the_first_resource_stays(account: Account, kind: str) -> None:
    assert create(account, "first", Thing=resource(kind, "thing")) == "CREATE_COMPLETE"
    assert create(account, "second", Thing=resource(kind, "thing")) == "ROLLBACK_COMPLETE"
    assert f"Resource of type '{kind}' with identifier 'thing' already exists." in reasons(account, "second")
    # The rollback deletes only what it created.
    body = json.dumps({"Resources": {"Thing": resource(kind, "thing"), "More": resource(kind, "more")}})
    account.client("cloudformation").update_stack(StackName="first", TemplateBody=body)
    assert eventually(lambda: settled(account, "first"), 30) == "UPDATE_COMPLETE"


@pytest.mark.parametrize(("policy", "left"), [("Retain", True), ("RetainExceptOnCreate", False), ("Delete", False)])
def test_a_create_that_fails_leaves_retained_resources_unless_except_on_create(
    account: Account, policy: str, left: bool
) -> None:
    account.queue("taken")
    kept = resource("AWS::Logs::LogGroup", "kept", DeletionPolicy=policy)
    blocked = resource("AWS::SQS::Queue", "taken", DependsOn="Kept")
    assert create(account, "half", Kept=kept, Blocked=blocked) == "ROLLBACK_COMPLETE"
    assert [group["logGroupName"] for group in account.client("logs").describe_log_groups()["logGroups"]] == (
        ["kept"] if left else []
    )
    # It stays when a stack that was created is deleted.
    assert create(account, "whole", Kept=resource("AWS::Logs::LogGroup", "other", DeletionPolicy=policy))
    assert delete(account, "whole") == "DELETE_COMPLETE"
    names = [group["logGroupName"] for group in account.client("logs").describe_log_groups()["logGroups"]]
    assert ("other" in names) == (policy != "Delete")


@pytest.mark.parametrize("versioned", [False, True])
def test_a_bucket_with_an_object_or_a_version_is_not_deleted(account: Account, versioned: bool) -> None:
    name, s3 = f"full-{account.id}", account.client("s3")
    properties = {"BucketName": name, "VersioningConfiguration": {"Status": "Enabled" if versioned else "Suspended"}}
    assert create(account, "full", Bucket={"Type": "AWS::S3::Bucket", "Properties": properties}) == "CREATE_COMPLETE"
    s3.put_object(Bucket=name, Key="one", Body=b"")
    if versioned:
        s3.delete_object(Bucket=name, Key="one")
    assert delete(account, "full") == "DELETE_FAILED"
    assert "is not empty" in reasons(account, "full")
    for version in s3.list_object_versions(Bucket=name).get("Versions", []):
        s3.delete_object(Bucket=name, Key="one", VersionId=version["VersionId"])
    for marker in s3.list_object_versions(Bucket=name).get("DeleteMarkers", []):
        s3.delete_object(Bucket=name, Key="one", VersionId=marker["VersionId"])
    assert delete(account, "full") == "DELETE_COMPLETE"


def test_a_table_with_deletion_protection_is_not_deleted(account: Account) -> None:
    protected = resource("AWS::DynamoDB::Table", "rows")
    protected["Properties"]["DeletionProtectionEnabled"] = True
    assert create(account, "rows", Table=protected) == "CREATE_COMPLETE"
    assert delete(account, "rows") == "DELETE_FAILED"
    assert "protected against deletion" in reasons(account, "rows")


READS = """
    import boto3

    def handle(event, context):
        s3 = boto3.client("s3")
        answers = []
        for call in (s3.get_object, s3.head_object):
            try:
                call(Bucket=event["bucket"], Key=event["key"])
                answers.append("read")
            except Exception as error:
                answers.append(error.response["Error"]["Code"])
        return {"answers": answers}
"""


@pytest.mark.parametrize(("may_list", "answers"), [(False, ["AccessDenied", "403"]), (True, ["NoSuchKey", "404"])])
def test_a_missing_key_is_403_to_a_role_that_may_not_list_the_bucket(
    account: Account, monkeypatch: pytest.MonkeyPatch, may_list: bool, answers: list[str]
) -> None:
    bucket = f"things-{account.id}"
    account.client("s3").create_bucket(Bucket=bucket)
    account.client("s3").put_object(Bucket=bucket, Key="here", Body=b"")
    allowed = [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}]
    if may_list:
        allowed.append({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"})
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam, version = account.client("iam"), "2012-10-17"
    iam.create_role(
        RoleName="function", AssumeRolePolicyDocument=json.dumps({"Version": version, "Statement": [trust]})
    )
    iam.put_role_policy(
        RoleName="function", PolicyName="all", PolicyDocument=json.dumps({"Version": version, "Statement": allowed})
    )
    account.function(READS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_SESSION_TOKEN", account.engine.token)
    monkeypatch.setattr(emulator.application(), "AUTH", True)
    assert account.invoke(event={"bucket": bucket, "key": "here"})["answers"] == ["read", "read"]
    assert account.invoke(event={"bucket": bucket, "key": "gone"})["answers"] == answers


def test_a_bucket_that_a_deleted_stack_kept_is_imported_by_its_name(account: Account) -> None:
    name, formation = f"kept-{account.id}", account.client("cloudformation")
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}, "DeletionPolicy": "RetainExceptOnCreate"}
    assert create(account, "kept", Bucket=bucket) == "CREATE_COMPLETE"
    account.client("s3").put_object(Bucket=name, Key="one", Body=b"")
    assert delete(account, "kept") == "DELETE_COMPLETE"
    formation.create_change_set(
        StackName="again",
        ChangeSetName="import",
        ChangeSetType="CREATE",
        ImportExistingResources=True,
        TemplateBody=json.dumps({"Resources": {"Bucket": bucket}}),
    )
    formation.get_waiter("change_set_create_complete").wait(
        StackName="again", ChangeSetName="import", WaiterConfig={"Delay": 1}
    )
    formation.execute_change_set(StackName="again", ChangeSetName="import")
    assert eventually(lambda: settled(account, "again"), 30) == "CREATE_COMPLETE"
    assert account.client("s3").list_objects_v2(Bucket=name)["KeyCount"] == 1
