"""Idle cost of the deployment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from infra import cost, prices
from infra.expressions import ticks_a_month
from infra.template import Template
from shared.job.schedule import cron
from tests.support.small_templates import small

START = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(minutes=1)


def test_idle_it_costs_less_than_ten_dollars_a_month_with_a_margin_of_one(templates: Mapping[str, Template]) -> None:
    assert 0 < cost.total(cost.idle(templates)) < 9


def test_the_prices_were_compared_with_those_of_aws_in_the_last_year() -> None:
    age = (datetime.now(UTC).date() - prices.AS_OF).days
    assert age <= prices.MOST_DAYS, f"the prices are {age} days old: compare them with the pages, then set AS_OF"


def test_ticks_of_rules_are_free_and_those_of_schedules_are_not() -> None:
    deployed = small()
    items = {line.item: line for line in cost.idle(deployed)}
    assert items["ticks in time zones"].count == pytest.approx(365.25 / 12)
    assert items["functions started by ticks"].count == pytest.approx(2 * 365.25 / 12)


@pytest.mark.parametrize(("metrics", "dashboards"), [(50, 0), (51, 1)])
def test_a_dashboard_of_up_to_50_metrics_is_free(metrics: int, dashboards: int) -> None:
    body = json.dumps({"widgets": [{"properties": {"metrics": [["a"]] * metrics}}]})
    board = {"Type": "AWS::CloudWatch::Dashboard", "Properties": {"DashboardBody": body}}
    lines = cost.idle({"front": {"Resources": {"Board": board}}})
    assert sum(line.count for line in lines if line.item == "dashboards") == dashboards


def test_the_profile_for_development_saves_about_four_dollars(templates: Mapping[str, Template]) -> None:
    """stages/dev.toml: without dashboard and alarms; the lifecycle's tests check that they are left out."""
    lines = cost.idle(templates)
    saved = cost.total(line for line in lines if line.item in ("alarms", "dashboards"))
    assert 3.5 < saved < 5
    assert cost.total(lines) - saved < 6


def test_every_item_is_counted_once_and_the_most_expensive_comes_first(templates: Mapping[str, Template]) -> None:
    lines = cost.idle(templates)
    assert [line.dollars for line in lines] == sorted((line.dollars for line in lines), reverse=True)
    assert len({line.item for line in lines}) == len(lines)
    assert cost.table(lines).splitlines()[-1].split()[0] == f"{cost.total(lines):.2f}"


def test_another_mapping_costs_a_quarter_of_a_dollar_more(templates: Mapping[str, Template]) -> None:
    mapping = {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {}}
    more = {**templates, "more": {"Resources": {"Mapping": mapping}}}
    assert cost.total(cost.idle(more)) - cost.total(cost.idle(templates)) == pytest.approx(0.26, abs=0.005)


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("* * * * *", 7),
        ("*/15 * * * *", 7),
        ("3-59/5 * * * *", 7),
        ("20 * * * *", 7),
        ("5 4 * * *", 365),
        ("5 4 1 * *", 365),
        ("0 9 * * 1-5", 365),
        ("0 0 1 1 *", 365),
    ],
)
def test_ticks_are_counted_from_the_expression_as_the_schedule_fires_them(expression: str, days: int) -> None:
    fired = 0
    for tick in cron(expression).after(START):
        if tick > START + timedelta(days=days):
            break
        fired += 1
    counted = days * 12 / 365.25 * sum(ticks_a_month(form) for form in cron(expression).eventbridge())
    assert counted == pytest.approx(fired, rel=0.02)
