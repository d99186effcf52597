"""A new module adds a job: resources that appear, and resources that stay the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from infra.template import Template, plain, resources, text

Templates = Mapping[str, Template]
GROUP = "nightshift-try-grown"


def named(templates: Templates, kind: str, key: str) -> dict[str, Mapping[str, object]]:
    return {text(found.properties[key]): plain(found.properties) for found in resources(templates, kind)}


def assets(templates: Templates, stage: str) -> dict[str, str]:
    """Each stack's code, by its asset's name."""
    return {
        function.stack.removeprefix(f"nightshift-{stage}-"): text(function.properties["Code"]["S3Key"])
        for function in resources(templates, "AWS::Lambda::Function")
    }


def test_a_new_module_becomes_a_function_with_role_and_log_group(grown: Templates) -> None:
    function = named(grown, "AWS::Lambda::Function", "FunctionName")["nightshift-try-intake"]
    assert function["Timeout"] == 45
    assert function["Description"] == "Take what comes in."
    assert (
        named(grown, "AWS::Logs::LogGroup", "LogGroupName")["/aws/lambda/nightshift-try-intake"]["RetentionInDays"]
        == 90
    )
    kinds = [found.type for found in resources({GROUP: grown[GROUP]}, "AWS::IAM::Role")]
    assert len(kinds) == 4, "three jobs, and one that fires in a time zone"


def test_a_new_group_changes_only_the_code_of_groups_with_the_manifest(templates: Templates, grown: Templates) -> None:
    before, after = assets(templates, "prod"), assets(grown, "try")
    assert set(after) == {*before, "grown"}
    changed = {group for group in before if before[group] != after[group]}
    assert changed == {"operations", "front"}


def test_settings_of_the_deployer_reach_the_function_and_defaults_stay_in_the_code(grown: Templates) -> None:
    function = named(grown, "AWS::Lambda::Function", "FunctionName")["nightshift-try-intake"]
    variables = function["Environment"]["Variables"]  # type: ignore[index]
    assert variables["INTAKE_COLOUR"] == "green"
    assert "INTAKE_SHAPE" not in variables


def test_a_schedule_in_a_time_zone_has_the_scheduled_time_in_its_event(grown: Templates) -> None:
    schedule = named(grown, "AWS::Scheduler::Schedule", "Name")["nightshift-try-breakfast"]
    assert schedule["ScheduleExpression"] == "cron(30 7 * * ? *)"
    assert schedule["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    target = schedule["Target"]
    assert json.loads(target["Input"]) == {  # type: ignore[index]
        "source": "nightshift.schedule",
        "job": "breakfast",
        "time": "<aws.scheduler.scheduled-time>",
    }
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 5}  # type: ignore[index]
    assert "nightshift-try-breakfast" not in named(grown, "AWS::Events::Rule", "Name")


def test_a_day_of_month_or_week_becomes_two_rules_that_each_may_invoke(grown: Templates) -> None:
    rules = named(grown, "AWS::Events::Rule", "Name")
    assert rules["nightshift-try-bins"]["ScheduleExpression"] == "cron(5 4 1 * ? *)"
    assert rules["nightshift-try-bins-2"]["ScheduleExpression"] == "cron(5 4 ? * 2 *)"
    sources = {
        text(found.properties["SourceArn"]) for found in resources({GROUP: grown[GROUP]}, "AWS::Lambda::Permission")
    }
    made = {f"<{rule.id}.Arn>" for rule in resources({GROUP: grown[GROUP]}, "AWS::Events::Rule")}
    assert sources == made
    assert len(made) == 2


def test_a_consumer_gets_its_queue_and_one_for_its_dead_letters_that_costs_nothing_while_idle(grown: Templates) -> None:
    queues = named({GROUP: grown[GROUP]}, "AWS::SQS::Queue", "QueueName")
    assert set(queues) == {"nightshift-try-grown-intake", "nightshift-try-grown-intake-dlq"}
    assert queues["nightshift-try-grown-intake"]["VisibilityTimeout"] == 6 * 45 + 5
    assert "RedrivePolicy" not in queues["nightshift-try-grown-intake-dlq"]
    (own,) = resources({GROUP: grown[GROUP]}, "AWS::Lambda::EventSourceMapping")
    assert text(own.properties["FunctionName"]).startswith("<intake")
    assert (own.properties["BatchSize"], own.properties["MaximumBatchingWindowInSeconds"]) == (100, 5)
    assert own.properties["ScalingConfig"] == {"MaximumConcurrency": 7}


def test_the_collector_may_read_dead_letter_queues_and_no_others(grown: Templates) -> None:
    operations = {"nightshift-try-operations": grown["nightshift-try-operations"]}
    (role,) = [
        found
        for found in resources(operations, "AWS::IAM::Role")
        if "queue-health" in str(found.properties["Description"])
    ]
    readable = {
        one.rpartition(":")[2]
        for policy in role.properties["Policies"]
        for statement in plain(policy["PolicyDocument"])["Statement"]
        if "sqs:ReceiveMessage" in statement["Action"]
        for one in statement["Resource"]
    }
    assert readable == {"nightshift-try-*-dlq"}


def test_a_secret_that_a_grant_names_is_created_empty(grown: Templates) -> None:
    secret = named(grown, "AWS::SecretsManager::Secret", "Name")["nightshift/try/grown-key"]
    assert set(secret) == {"Name"}


def test_a_key_that_a_grant_names_is_created_with_its_alias_and_used_by_that_job_alone(grown: Templates) -> None:
    (key,) = resources(grown, "AWS::KMS::Key")
    assert key.properties["EnableKeyRotation"] is True
    alias = named(grown, "AWS::KMS::Alias", "AliasName")["alias/nightshift-try-payloads"]
    assert alias["TargetKeyId"] == f"<{key.id}>"
    used = [
        (found.stack, statement["Action"], statement["Condition"])
        for found in resources(grown, "AWS::IAM::Role")
        for policy in plain(found.properties).get("Policies", [])
        for statement in policy["PolicyDocument"]["Statement"]
        if "kms:" in str(statement["Action"])
    ]
    condition = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/nightshift-try-payloads"}}
    assert used == [(GROUP, ["kms:Decrypt"], condition)]


def test_payloads_expire_after_the_last_dead_letter_that_can_need_them(grown: Templates) -> None:
    (bucket,) = resources(grown, "AWS::S3::Bucket")
    rules = bucket.properties["LifecycleConfiguration"]["Rules"]
    (rule,) = [rule for rule in rules if rule.get("Prefix") == "payloads/"]
    # A queue retains a message for at most 14 days, a dead letter is retained for 37.
    assert rule["ExpirationInDays"] >= 14 + 37


def test_a_stage_that_is_not_production_leaves_nothing_behind(grown: Templates) -> None:
    for found in resources(grown):
        assert grown[found.stack]["Resources"][found.id].get("DeletionPolicy", "Delete") == "Delete"


def test_the_new_stack_is_deployed_after_what_it_names(grown: Templates, grown_folder: Path) -> None:
    assert GROUP in grown
    artifacts = json.loads((grown_folder / "manifest.json").read_text())["artifacts"]
    assert {"nightshift-try-state", "nightshift-try-operations"} <= set(artifacts[GROUP]["dependencies"])
    assert GROUP in artifacts["nightshift-try-front"]["dependencies"]
    assert GROUP not in artifacts["nightshift-try-operations"]["dependencies"]


def test_stacks_are_tagged_with_stage_and_group(grown: Templates, grown_folder: Path) -> None:
    artifacts = json.loads((grown_folder / "manifest.json").read_text())["artifacts"]
    for stack in grown:
        tags = {"nightshift:stage": "try", "nightshift:group": stack.removeprefix("nightshift-try-")}
        assert artifacts[stack]["properties"]["tags"] == tags
        assert not artifacts[stack]["properties"].get("terminationProtection")
