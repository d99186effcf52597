"""Operators get an alert for each set of differences, with the commands that mend them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.operations.drift_watch import DriftWatch
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import Lines, VirtualClock
from tests.functions.operations.conftest import ENTRIES
from tests.support.deployed_function import deploy_function, put_rule
from tests.support.deployed_stack import ADMINISTRATOR, TABLE, deploy_stack, read_table
from tests.support.moto_backends import alerts

NAME = "nightshift-test-sweep"


@pytest.fixture(autouse=True)
def stage(cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "load", lambda: ENTRIES)
    deploy_stack(cloud, "nightshift-test-demo", NAME, role="nightshift-test-demo-role")
    deploy_function(cloud, NAME)
    # moto dates stacks by the clock of the machine.
    clock.instant = datetime.now(UTC).replace(hour=12, minute=23, second=0, microsecond=0) + timedelta(days=1)


def look(cloud: Cloud, log: Lines, clock: VirtualClock, **later: int) -> RunReport:
    clock.move(**(later or {"hours": 1}))
    return run(DriftWatch(), Firing("drift-watch", clock.now()), cloud, log)


def test_a_stage_as_declared_is_not_alerted(cloud: Cloud, log: Lines, clock: VirtualClock) -> None:
    assert look(cloud, log, clock).counts == {"undeclared": 0, "blocked": 0, "changed": 0}
    assert alerts(cloud) == []


def test_the_stack_of_a_removed_group_is_alerted_once_with_the_command_that_removes_it(
    cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    deploy_stack(cloud, "nightshift-test-gone", "nightshift-test-old")
    assert look(cloud, log, clock).counts["undeclared"] == 2
    assert look(cloud, log, clock).counts["undeclared"] == 2
    [alert] = alerts(cloud)
    assert alert["alert"] == "UNDECLARED_RESOURCES"
    assert alert["differences"] == [
        "rule nightshift-test-old: no job or endpoint declares it",
        "stack nightshift-test-gone: no job or endpoint declares it",
    ]
    assert alert["commands"] == [
        "python jobs.py drift --aws --stage test",
        "python jobs.py drift --remove nightshift-test-gone --reason WHY --aws --stage test",
    ]


def test_another_difference_is_alerted_and_a_lasting_one_again_each_week(
    cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    cloud.rules.disable_rule(Name=NAME)
    look(cloud, log, clock)
    put_rule(cloud, "nightshift-test-old")
    look(cloud, log, clock)
    assert [alert["alert"] for alert in alerts(cloud)] == ["STARTS_BLOCKED", "UNDECLARED_RESOURCES"]
    cloud.rules.delete_rule(Name="nightshift-test-old")
    look(cloud, log, clock, days=7)
    assert [alert["alert"] for alert in alerts(cloud)][2:] == ["STARTS_BLOCKED"]


def test_roles_are_compared_once_a_day(cloud: Cloud, log: Lines, clock: VirtualClock) -> None:
    cloud.roles.create_policy(PolicyName="AdministratorAccess", PolicyDocument=json.dumps(read_table(TABLE)))
    cloud.roles.attach_role_policy(RoleName="nightshift-test-demo-role", PolicyArn=ADMINISTRATOR)
    changed = [look(cloud, log, clock).counts["changed"] for _ in range(24)]
    assert sum(changed) == 1
    [alert] = alerts(cloud)
    assert alert["alert"] == "ROLES_CHANGED"
    assert alert["differences"] == ["role nightshift-test-demo-role: AdministratorAccess is attached to it"]


def test_nothing_is_compared_during_a_deployment(cloud: Cloud, log: Lines, clock: VirtualClock) -> None:
    put_rule(cloud, "nightshift-test-old")
    clock.instant = datetime.now(UTC)
    report = look(cloud, log, clock, minutes=5)
    assert (report.counts, alerts(cloud)) == ({}, [])
    assert look(cloud, log, clock).counts["undeclared"] == 1


def test_a_dry_run_lists_what_it_would_alert(cloud: Cloud, clock: VirtualClock) -> None:
    from shared.run.context import RunContext

    cloud.rules.disable_rule(Name=NAME)
    context: Any = type("Run", (), {"cloud": cloud, "at": clock.now()})
    run_context: RunContext = context
    assert DriftWatch().plan(run_context) == [
        f"alert: rule {NAME}: disabled; python jobs.py drift --restore sweep --reason WHY --aws --stage test"
    ]
