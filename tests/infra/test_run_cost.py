"""Dollars of a million runs of a job, and of an organization's messages."""

from __future__ import annotations

import json

import pytest

from infra import prices, run_cost
from tests.support.small_templates import GROUP, small


def test_a_tick_and_a_message_without_work_cost_the_sum_of_their_calls() -> None:
    eat, tick = run_cost.of_templates(small())
    assert (eat.job, eat.unit, tick.job, tick.unit) == ("eat", "messages", "tick", "ticks")
    second = 0.25 * 0.0000133334 * 1e6
    assert tick.per_second == pytest.approx(second)
    # One request, three write units, half a second and 1,500 bytes of log.
    assert tick.per_million == pytest.approx(0.20 + 3 * 0.625 + 0.5 * second + 0.75)
    # A message is sent by itself; ten share the rest.
    assert eat.per_million == pytest.approx(0.40 + (0.20 + 2 * 0.40 + 2 * 0.625 + 0.75 + 0.5 * second) / 10)
    assert tick.a_month == pytest.approx(2 * 365.25 / 12)


def test_twice_the_memory_costs_twice_for_each_second() -> None:
    more = small()
    more[GROUP]["Resources"]["Tick"]["Properties"]["MemorySize"] = 512
    before, after = (run_cost.of_templates(each)[1] for each in (small(), more))
    assert after.per_second == pytest.approx(2 * before.per_second)


def line(organization: str, messages: object, at: str = "2026-11-28T10:00:00Z", message: str = "eat_tenant") -> str:
    entry = {"message": message, "job": "eat", "organizationId": organization, "timestamp": at, "messages": messages}
    return json.dumps(entry)


def test_messages_are_priced_by_organization_and_day() -> None:
    lines = [line("a", 10), line("b", 5), line("a", 20), line("a", 1, "2026-11-29T00:00:00Z")]
    others = ["START RequestId", line("a", 7, message="eat_started"), line("a", "many"), "[]", "{}"]
    [eat, _] = run_cost.of_templates(small())
    found = run_cost.of_tenants([*lines, *others], [eat])
    assert [(each.organization, each.day, each.messages) for each in found] == [
        ("a", "2026-11-28", 30),
        ("a", "2026-11-29", 1),
        ("b", "2026-11-28", 5),
    ]
    assert found[0].dollars == pytest.approx(30 * eat.per_million / prices.MILLION)
