"""Budgets: read from text, checked, divided over shards, and reset at the end of a period."""

from __future__ import annotations

import pytest

from shared.clock import parse
from shared.job import budget
from shared.job.budget import Budget
from shared.job.setting import SettingError
from tests.conftest import NOON


@pytest.mark.parametrize("text", ["1000 items per day", "2.5 dollars per month", "1 items, 0.000001 dollars per day"])
def test_a_setting_reads_back_as_it_is_written(text: str) -> None:
    assert str(budget.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "write it as"),
        ("10 items", "write it as"),
        (", 5 dollars per day", "write it as"),
        ("-1 items per day", "write it as"),
        ("per day", "write it as"),
        ("0 items per day", "items is 0; it must be 1 to"),
        ("0 dollars per day", "dollars is 0.0; it must be 0.000001 to"),
        ("1 item per week", "per is 'week'; it must be day or month"),
    ],
)
def test_a_setting_that_bounds_nothing_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        budget.parse(text)


def test_a_budget_without_a_limit_is_a_fault() -> None:
    assert Budget().fault == "it limits nothing; set items, dollars, or both"


def test_the_setting_has_the_declared_budget_as_its_default() -> None:
    declared = Budget(items=10, per="month")
    setting = declared.setting("DEMO", "demo")
    assert setting.read({}) == declared
    assert setting.read({"DEMO_BUDGET": "3 dollars per day"}) == Budget(dollars=3.0)
    with pytest.raises(SettingError, match="DEMO_BUDGET='much': write it as"):
        setting.read({"DEMO_BUDGET": "much"})


def test_shards_have_equal_parts_and_never_less_than_one_unit() -> None:
    assert Budget(10, 1.0).share(1) == Budget(10, 1.0)
    assert Budget(10, 1.0, "month").share(4) == Budget(2, 0.25, "month")
    assert Budget(items=3).share(8) == Budget(items=1)
    assert Budget(dollars=0.000_001).share(8).fault == ""


def test_a_later_period_is_greater_as_text() -> None:
    assert [Budget(1, per=per).period(NOON) for per in ("day", "month")] == ["2026-03-02", "2026-03"]


def test_a_period_ends_when_the_next_begins() -> None:
    assert budget.end("2026-12-31") == parse("2027-01-01T00:00:00Z")
    assert budget.end("2026-12") == parse("2027-01-01T00:00:00Z")
    assert budget.end("2028-02") == parse("2028-03-01T00:00:00Z")


def test_figures_compare_what_was_spent_with_each_limit() -> None:
    spent = {"items": 1004, "micros": 310_000}
    assert budget.figures(spent, Budget(1000, 5.0).limits) == "1004 of 1000 items, 0.31 of 5 dollars"
