"""`drift` lists deployed resources that no job declares, and removes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.admin import audit
from shared.aws.cloud import Cloud
from tests.cli.conftest import Call
from tests.support.deployed_function import deploy_function, put_rule, put_schedule

AWS = ("--aws", "--stage", "test")
WHY = ("--reason", "group removed", "--who", "ada", *AWS)


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


def loose_rule(cloud: Cloud, name: str) -> None:
    put_rule(cloud, name)
    cloud.rules.put_targets(Rule=name, Targets=[{"Id": "function", "Arn": "arn:aws:sqs:us-east-1:123456789012:q"}])


def listed(call: Call) -> dict[tuple[str, str], dict[str, str | None]]:
    answer = call("drift", "--json", *AWS)
    assert answer.code == (1 if answer.json else 0)
    return {(each["kind"], each["name"]): each for each in answer.json}


def test_declared_resources_and_those_of_other_stages_are_no_drift(call: Call, aws: Cloud) -> None:
    stack(aws, "nightshift-test-demo", "nightshift-test-good")
    stack(aws, "nightshift-test-state")
    stack(aws, "nightshift-test2-gone", "nightshift-test2-gone")
    deploy_function(aws, "nightshift-test-mailbox")
    answer = call("drift", *AWS)
    assert (answer.code, answer.out) == (0, "")
    assert "everything that is deployed is declared" in answer.err


def test_the_stack_of_a_removed_group_is_listed_with_its_rules_and_removed_with_them(call: Call, aws: Cloud) -> None:
    stack(aws, "nightshift-test-demo", "nightshift-test-good")
    stack(aws, "nightshift-test-gone", "nightshift-test-sweeper", "nightshift-test-sweeper-2")
    found = listed(call)
    command = "python jobs.py drift --remove nightshift-test-gone --reason WHY --aws --stage test"
    assert {key: (each["stack"], each["fix"]) for key, each in found.items()} == {
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
    assert (found["stack"], found["fix"]) == ("nightshift-test-demo", "npx cdk deploy --all -c stage=test")
    assert call("drift", "--remove", "nightshift-test-gone", *WHY).code == 4


def test_a_second_rule_of_a_job_with_one_schedule_is_drift(call: Call, aws: Cloud) -> None:
    loose_rule(aws, "nightshift-test-good-2")
    assert list(listed(call)) == [("rule", "nightshift-test-good-2")]


def test_a_rule_a_schedule_and_a_function_without_a_stack_are_removed_by_their_name(call: Call, aws: Cloud) -> None:
    loose_rule(aws, "nightshift-test-old")
    deploy_function(aws, "nightshift-test-old")
    put_schedule(aws, "nightshift-test-old")
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
    deploy_function(aws, "nightshift-test-old")
    answer = call(*words, *AWS)
    assert answer.code == 2
    assert "nightshift-test-old is still deployed: `python jobs.py drift --aws --stage test`" in answer.err


def disabled(cloud: Cloud) -> None:
    """Deploy `good`, stopped by its rule and its concurrency."""
    put_rule(cloud, "nightshift-test-good", enabled=False)
    deploy_function(cloud, "nightshift-test-good")
    cloud.functions.put_function_concurrency(FunctionName="nightshift-test-good", ReservedConcurrentExecutions=0)


def test_a_job_is_restored_with_its_rule_and_its_concurrency_and_recorded(call: Call, aws: Cloud) -> None:
    disabled(aws)
    answer = call("drift", "--restore", "good", "--json", *WHY)
    name = "nightshift-test-good"
    assert answer.json == {"restored": [{"kind": "rule", "name": name}, {"kind": "function", "name": name}]}
    assert aws.rules.describe_rule(Name=name)["State"] == "ENABLED"
    assert "ReservedConcurrentExecutions" not in aws.functions.get_function_concurrency(FunctionName=name)
    [written] = audit.entries(aws, 1)
    assert (written["what"], written["scope"]["job"], written["end"]) == ("drift restore", "good", "done")


def test_a_restoration_without_a_reason_is_wrong_use_and_restores_nothing(call: Call, aws: Cloud) -> None:
    disabled(aws)
    assert call("drift", "--restore", "good", *AWS).code == 2
    assert aws.rules.describe_rule(Name="nightshift-test-good")["State"] == "DISABLED"


def test_what_is_enabled_or_not_deployed_is_not_restored(call: Call, aws: Cloud) -> None:
    missing = call("drift", "--restore", "good", *WHY)
    assert (missing.code, "npx cdk deploy --all -c stage=test" in missing.err) == (4, True)
    put_rule(aws, "nightshift-test-good")
    deploy_function(aws, "nightshift-test-good")
    fine = call("drift", "--restore", "good", *WHY)
    assert (fine.code, "its rules and schedules are enabled" in fine.err) == (4, True)
    assert list(audit.entries(aws, 1)) == []
