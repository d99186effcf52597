"""`destroy` deletes the stacks of a stage; tests/infra/lifecycle does it with deployed ones."""

from __future__ import annotations

import json

import pytest

from shared.admin import stage_removal
from shared.aws.cloud import Cloud
from tests.cli.conftest import Call
from tests.cli.test_drift import rule

AWS = ("--aws", "--stage", "test")


@pytest.fixture(autouse=True)
def region(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.setattr(stage_removal, "POLL_SECONDS", 0)


def stack(cloud: Cloud, name: str, policy: str = "Delete") -> None:
    template = {"Resources": {"Rule": {**rule(f"{name}-rule"), "DeletionPolicy": policy}}}
    cloud.stacks.create_stack(StackName=f"nightshift-{name}", TemplateBody=json.dumps(template))


def test_stacks_are_deleted_in_the_reverse_order_of_their_deployment(call: Call, aws: Cloud) -> None:
    for name in ("state", "operations", "left", "right", "front"):
        stack(aws, f"test-{name}")
    stack(aws, "test2-state")
    answer = call("destroy", "--confirm", "test", *AWS)
    assert answer.code == 0
    deleted = [line for line in answer.err.splitlines() if line.startswith("deleted nightshift-")]
    assert [line.rpartition("-")[2] for line in deleted] == ["front", "left", "right", "operations", "state"]
    assert [one["StackName"] for one in aws.stacks.describe_stacks()["Stacks"]] == ["nightshift-test2-state"]


def test_what_stays_is_listed(call: Call, aws: Cloud) -> None:
    stack(aws, "test-left", "RetainExceptOnCreate")
    answer = call("destroy", "--confirm", "test", *AWS)
    assert (answer.code, "test-left-rule" in answer.out) == (0, True)


@pytest.mark.parametrize("given", [(), ("--confirm", "prod")])
def test_without_the_name_of_the_stage_nothing_is_done(call: Call, aws: Cloud, given: tuple[str, ...]) -> None:
    stack(aws, "test-left")
    answer = call("destroy", *given, *AWS)
    assert answer.code == 4
    assert "its stacks: nightshift-test-left. Nothing was done" in answer.err
    assert "python jobs.py destroy --confirm test --aws --stage test" in answer.err
    assert len(aws.stacks.describe_stacks()["Stacks"]) == 1


def test_a_protected_stage_is_refused_with_the_commands_that_lift_the_protection(
    call: Call, aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack(aws, "test-left")
    monkeypatch.setattr(stage_removal, "protected", lambda _: ["nightshift-test-left"])
    answer = call("destroy", "--confirm", "test", *AWS)
    assert answer.code == 4
    assert "--no-enable-termination-protection --region us-east-1 --stack-name nightshift-test-left" in answer.err
    assert len(aws.stacks.describe_stacks()["Stacks"]) == 1


def test_the_local_cloud_is_no_stage(call: Call) -> None:
    answer = call("destroy", "--confirm", "local")
    assert (answer.code, "add --aws and --stage" in answer.err) == (2, True)


def test_every_version_of_every_object_is_deleted(aws: Cloud) -> None:
    bucket = aws.names.bucket
    if bucket not in [one["Name"] for one in aws.s3.list_buckets()["Buckets"]]:
        aws.s3.create_bucket(Bucket=bucket)
    aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        aws.s3.put_object(Bucket=bucket, Key="one", Body=body)
    aws.s3.delete_object(Bucket=bucket, Key="one")
    assert stage_removal.empty_bucket(aws) == 3
    aws.s3.delete_bucket(Bucket=bucket)
    assert stage_removal.empty_bucket(aws) == 0
