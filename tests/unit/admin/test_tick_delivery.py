"""What starts a job is read as it is deployed now, and enabled again."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from shared.admin import tick_delivery
from shared.admin.tick_delivery import TickDelivery
from shared.aws.cloud import Cloud
from shared.job.schedule import Schedule, cron, daily, every
from tests.support.deployed_function import deploy_function, put_rule, put_schedule
from tests.support.sweep_job import Sweep

NAME = "nightshift-test-sweep"


class Ticking(Sweep):
    """Sweep every quarter of an hour."""

    name = "sweep"
    schedule: ClassVar[Schedule | None] = every(minutes=15)


class InVienna(Sweep):
    """Sweep in local time."""

    name = "sweep"
    schedule: ClassVar[Schedule | None] = daily(hour=3, minute=10, zone="Europe/Vienna")


class TwoRules(Sweep):
    """Sweep on the first of a month and on Mondays."""

    name = "sweep"
    schedule: ClassVar[Schedule | None] = cron("0 4 1 * 1")


def state(delivery: TickDelivery) -> tuple[Any, ...]:
    return delivery.disabled, delivery.missing, delivery.throttled, delivery.unreadable


def test_what_is_enabled_keeps_nothing_from_starting(cloud: Cloud) -> None:
    put_rule(cloud, NAME)
    deploy_function(cloud, NAME)
    delivery = tick_delivery.read(cloud, Ticking())
    assert (state(delivery), delivery.restorable) == (((), (), "", ""), False)


def test_each_rule_of_a_schedule_that_needs_two_is_read(cloud: Cloud) -> None:
    put_rule(cloud, NAME)
    put_rule(cloud, f"{NAME}-2", enabled=False)
    deploy_function(cloud, NAME)
    assert state(tick_delivery.read(cloud, TwoRules())) == ((("rule", f"{NAME}-2"),), (), "", "")


def test_what_does_not_exist_is_missing(cloud: Cloud) -> None:
    assert tick_delivery.read(cloud, Ticking()).missing == (("rule", NAME), ("function", NAME))


def test_what_is_disabled_or_throttled_is_restored(cloud: Cloud) -> None:
    put_rule(cloud, NAME, enabled=False)
    deploy_function(cloud, NAME)
    cloud.functions.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=0)
    delivery = tick_delivery.read(cloud, Ticking())
    assert state(delivery) == ((("rule", NAME),), (), NAME, "")
    tick_delivery.restore(cloud, delivery)
    assert not tick_delivery.read(cloud, Ticking()).restorable


def test_a_reserved_concurrency_above_0_stays(cloud: Cloud) -> None:
    put_rule(cloud, NAME)
    deploy_function(cloud, NAME)
    cloud.functions.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=2)
    assert not tick_delivery.read(cloud, Ticking()).restorable


def test_a_schedule_is_enabled_with_everything_else_unchanged(cloud: Cloud) -> None:
    put_schedule(cloud, NAME, enabled=False)
    deploy_function(cloud, NAME)
    varying = ("State", "LastModificationDate", "ResponseMetadata")
    before: Any = cloud.schedules.get_schedule(Name=NAME)
    tick_delivery.restore(cloud, tick_delivery.read(cloud, InVienna()))
    after: Any = cloud.schedules.get_schedule(Name=NAME)
    assert after["State"] == "ENABLED"
    assert {name: before[name] for name in before if name not in varying} == {
        name: after[name] for name in after if name not in varying
    }


def test_a_refused_read_is_reported_and_the_rest_is_read(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy_function(cloud, NAME)
    cloud.functions.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=0)

    def refuse(**_: str) -> None:
        error: Any = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}
        raise ClientError(error, "DescribeRule")

    monkeypatch.setattr(cloud.rules, "describe_rule", refuse)
    delivery = tick_delivery.read(cloud, Ticking())
    assert delivery.throttled == NAME
    assert "AccessDeniedException" in delivery.unreadable
    assert "DescribeRule" in delivery.unreadable
