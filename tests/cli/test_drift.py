"""`drift` lists deployed resources that no job declares, and removes them."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from shared.admin import audit
from shared.aws.cloud import Cloud
from tests.cli.conftest import Call

AWS = ("--aws", "--stage", "test")
WHY = ("--reason", "group removed", "--who", "ada", *AWS)
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


@pytest.fixture(autouse=True)
def region(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")


def rule(name: str) -> dict[str, object]:
    properties = {"Name": name, "ScheduleExpression": "rate(5 minutes)", "State": "ENABLED"}
    return {"Type": "AWS::Events::Rule", "Properties": properties}


def stack(cloud: Cloud, name: str, *rules: str) -> None:
    template = {"Resources": {f"Rule{number}": rule(each) for number, each in enumerate(rules)}}
    cloud.stacks.create_stack(StackName=name, TemplateBody=json.dumps(template))


def function(cloud: Cloud, name: str) -> None:
    iam = cloud.session.client("iam", region_name="us-east-1")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    with zipfile.ZipFile(code := io.BytesIO(), "w") as archive:
        archive.writestr("code.py", "")
    cloud.functions.create_function(
        FunctionName=name, Role=role, Runtime="python3.13", Handler="code.f", Code={"ZipFile": code.getvalue()}
    )


def loose_rule(cloud: Cloud, name: str) -> None:
    cloud.rules.put_rule(Name=name, ScheduleExpression="rate(5 minutes)")
    cloud.rules.put_targets(Rule=name, Targets=[{"Id": "function", "Arn": "arn:aws:sqs:us-east-1:123456789012:q"}])


def listed(call: Call) -> dict[tuple[str, str], dict[str, str | None]]:
    answer = call("drift", "--json", *AWS)
    assert answer.code == (1 if answer.json else 0)
    return {(each["kind"], each["name"]): each for each in answer.json}


def test_declared_resources_and_those_of_other_stages_are_no_drift(call: Call, aws: Cloud) -> None:
    stack(aws, "nightshift-test-demo", "nightshift-test-good")
    stack(aws, "nightshift-test-state")
    stack(aws, "nightshift-test2-gone", "nightshift-test2-gone")
    function(aws, "nightshift-test-mailbox")
    answer = call("drift", *AWS)
    assert (answer.code, answer.out) == (0, "")
    assert "everything that is deployed is declared" in answer.err


def test_the_stack_of_a_removed_group_is_listed_with_its_rules_and_removed_with_them(call: Call, aws: Cloud) -> None:
    stack(aws, "nightshift-test-demo", "nightshift-test-good")
    stack(aws, "nightshift-test-gone", "nightshift-test-sweeper", "nightshift-test-sweeper-2")
    found = listed(call)
    command = "python jobs.py drift --remove nightshift-test-gone --reason WHY --aws --stage test"
    assert {key: (each["stack"], each["remove"]) for key, each in found.items()} == {
        ("stack", "nightshift-test-gone"): (None, command),
        ("rule", "nightshift-test-sweeper"): ("nightshift-test-gone", command),
        ("rule", "nightshift-test-sweeper-2"): ("nightshift-test-gone", command),
    }
    refused = call("drift", "--remove", "nightshift-test-sweeper", *WHY)
    assert (refused.code, "nothing was done" in refused.err) == (4, True)
    assert command in refused.err
    assert call("drift", "--remove", "nightshift-test-gone", *WHY).code == 0
    assert listed(call) == {}
    [written] = audit.entries(aws, 1)
    assert (written["what"], written["who"], written["end"]) == ("drift remove", "ada", "done")


def test_a_rule_of_a_job_that_was_removed_from_its_group_is_removed_by_a_deployment(call: Call, aws: Cloud) -> None:
    stack(aws, "nightshift-test-demo", "nightshift-test-good", "nightshift-test-gone")
    [found] = listed(call).values()
    assert (found["stack"], found["remove"]) == ("nightshift-test-demo", "npx cdk deploy --all -c stage=test")
    assert call("drift", "--remove", "nightshift-test-gone", *WHY).code == 4


def test_a_second_rule_of_a_job_with_one_schedule_is_drift(call: Call, aws: Cloud) -> None:
    loose_rule(aws, "nightshift-test-good-2")
    assert list(listed(call)) == [("rule", "nightshift-test-good-2")]


def test_a_rule_a_schedule_and_a_function_without_a_stack_are_removed_by_their_name(call: Call, aws: Cloud) -> None:
    loose_rule(aws, "nightshift-test-old")
    function(aws, "nightshift-test-old")
    aws.schedules.create_schedule(
        Name="nightshift-test-old",
        ScheduleExpression="rate(5 minutes)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": "arn:aws:sqs:us-east-1:123456789012:q", "RoleArn": "arn:aws:iam::123456789012:role/r"},
    )
    assert [kind for kind, _ in listed(call)] == ["rule", "schedule", "function"]
    answer = call("drift", "--remove", "nightshift-test-old", "--json", *WHY)
    assert [each["kind"] for each in answer.json["removed"]] == ["rule", "schedule", "function"]
    assert listed(call) == {}


@pytest.mark.parametrize("name", ["nightshift-test-good", "nightshift-test-demo", "anything"])
def test_what_is_declared_or_unknown_is_not_removed(name: str, call: Call, aws: Cloud) -> None:
    stack(aws, "nightshift-test-demo", "nightshift-test-good")
    answer = call("drift", "--remove", name, *WHY)
    assert (answer.code, "nothing was done" in answer.err) == (4, True)
    assert aws.rules.describe_rule(Name="nightshift-test-good")["State"] == "ENABLED"
    assert list(audit.entries(aws, 1)) == []


def test_a_removal_without_a_reason_is_wrong_use_and_removes_nothing(call: Call, aws: Cloud) -> None:
    loose_rule(aws, "nightshift-test-old")
    assert call("drift", "--remove", "nightshift-test-old", *AWS).code == 2
    assert list(listed(call)) == [("rule", "nightshift-test-old")]


def test_a_broken_module_is_named_and_its_job_is_not_removed(call: Call, aws: Cloud, jobs: Path) -> None:
    loose_rule(aws, "nightshift-test-good")
    (jobs / "demo" / "good.py").write_text("import nothing_of_this_name\n")
    answer = call("drift", "--remove", "nightshift-test-good", *WHY)
    assert (answer.code, "functions/demo/good.py:1" in answer.err) == (2, True)
    assert aws.rules.describe_rule(Name="nightshift-test-good")["State"] == "ENABLED"


@pytest.mark.parametrize("words", [("why", "old"), ("pause", "old", "--reason", "x"), ("runs", "old")])
def test_commands_about_a_job_that_is_only_deployed_name_drift(words: tuple[str, ...], call: Call, aws: Cloud) -> None:
    assert "drift" not in call(*words, *AWS).err
    function(aws, "nightshift-test-old")
    answer = call(*words, *AWS)
    assert answer.code == 2
    assert "nightshift-test-old is still deployed: `python jobs.py drift --aws --stage test`" in answer.err
