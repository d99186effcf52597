"""All differences between a stage and its declaration, each with the command that mends it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.admin import stage_drift
from shared.admin.stage_drift import BLOCKED, CHANGED, UNDECLARED
from shared.aws.cloud import Cloud
from tests.functions.operations.conftest import ENTRIES
from tests.support.deployed_function import deploy_function, put_schedule
from tests.support.deployed_stack import deploy_stack

NAME = "nightshift-test-sweep"


@pytest.fixture
def stage(cloud: Cloud) -> Cloud:
    deploy_stack(cloud, "nightshift-test-demo", NAME, role="nightshift-test-demo-role")
    deploy_function(cloud, NAME)
    return cloud


def found(cloud: Cloud) -> list[tuple[str, str, str]]:
    return [(each.category, each.kind, each.name) for each in stage_drift.find(cloud, ENTRIES, [], roles=True)]


def test_a_stage_as_declared_has_no_differences(stage: Cloud) -> None:
    assert found(stage) == []


def test_a_disabled_rule_and_a_function_without_concurrency_are_found(stage: Cloud) -> None:
    stage.rules.disable_rule(Name=NAME)
    stage.functions.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=0)
    assert found(stage) == [(BLOCKED, "rule", NAME), (BLOCKED, "function", NAME)]
    first, second = stage_drift.find(stage, ENTRIES, [], roles=False)
    assert first.fix == second.fix == "python jobs.py drift --restore sweep --reason WHY --aws --stage test"
    assert first.stack == "nightshift-test-demo"


def test_another_concurrency_is_no_difference(stage: Cloud) -> None:
    stage.functions.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=3)
    assert found(stage) == []


def test_an_undeclared_schedule_and_a_changed_role_are_found(stage: Cloud) -> None:
    put_schedule(stage, "nightshift-test-old", enabled=False)
    stage.roles.delete_role_policy(RoleName="nightshift-test-demo-role", PolicyName="grants")
    assert found(stage) == [
        (UNDECLARED, "schedule", "nightshift-test-old"),
        (CHANGED, "role", "nightshift-test-demo-role"),
    ]
    fixes = [each.fix for each in stage_drift.find(stage, ENTRIES, [], roles=True)]
    assert fixes == [
        "python jobs.py drift --remove nightshift-test-old --reason WHY --aws --stage test",
        "python jobs.py drift --restore nightshift-test-demo-role --reason WHY --aws --stage test",
    ]


def test_a_stack_that_changed_lately_is_a_deployment_in_progress(stage: Cloud) -> None:
    now = datetime.now(UTC)
    assert stage_drift.in_deployment(stage, now - timedelta(hours=1))
    assert not stage_drift.in_deployment(stage, now + timedelta(hours=1))


def test_the_endpoints_are_the_functions_of_the_front_stack(stage: Cloud) -> None:
    assert stage_drift.endpoints(stage) == []
