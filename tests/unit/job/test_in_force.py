"""Values in force: declared, or set by a variable of the environment."""

from __future__ import annotations

from typing import Any

import pytest

from shared.job import budget, in_force, registry
from shared.job.budget import Budget
from shared.job.in_force import DECLARED

PAID = next(job.name for job in registry.jobs({}).values() if job.budget and job.name != "crash")


def values(name: str, **environment: str) -> Any:
    return in_force.values(registry.discover(environment).jobs[name], environment)


def test_without_variables_everything_is_declared() -> None:
    for job in registry.jobs({}).values():
        active = in_force.values(job, {})
        assert (active.enabled, active.cap, active.budget) == (not job.costly, job.cap, job.budget)
        assert (active.run_by is None) == (job.queue is not None)
        assert set(active.origins.values()) == {DECLARED}
        assert ("schedule" in active.origins) == (job.queue is None)
        assert active.faults == ()


@pytest.mark.parametrize(
    ("field", "variable", "text", "value"),
    [
        ("cap", "PRICING_MAX_RUNS_PER_TICK", "7", 7),
        ("enabled", "PRICING_ENABLE", "no", False),
        ("run_by", "PRICING_RUN_BY", "worker", "worker"),
    ],
)
def test_a_variable_is_the_origin_of_its_value(field: str, variable: str, text: str, value: object) -> None:
    active = values("pricing", **{variable: text})
    assert getattr(active, field) == value
    assert {name: origin for name, origin in active.origins.items() if origin != DECLARED} == {field: variable}


@pytest.mark.parametrize(
    ("field", "text"), [("schedule", "7 * * * *"), ("retry", "fixed 1s, 2 attempts"), ("retention", "critical")]
)
def test_an_attribute_that_a_variable_overrides_has_it_as_origin(field: str, text: str) -> None:
    variable = f"PRICING_{field.upper()}"
    assert values("pricing", **{variable: text}).origins[field] == variable


def test_the_budget_in_force_is_the_one_that_is_set() -> None:
    env = registry.jobs({})[PAID].env
    active = values(PAID, **{f"{env}_BUDGET": "9 items per month"})
    assert active.budget == Budget(items=9, per="month") == budget.parse("9 items per month")
    assert active.origins["budget"] == f"{env}_BUDGET"


def test_an_empty_variable_overrides_nothing() -> None:
    assert set(values("pricing", PRICING_MAX_RUNS_PER_TICK=" ", PRICING_RETRY="").origins.values()) == {DECLARED}


def test_an_invalid_variable_leaves_the_declared_value_and_is_a_fault() -> None:
    declared = registry.jobs({})["pricing"]
    active = values("pricing", PRICING_MAX_RUNS_PER_TICK="many", PRICING_RETRY="fixed 1s, 2 attempts")
    assert (active.cap, active.origins["cap"]) == (declared.cap, DECLARED)
    assert active.origins["retry"] == "PRICING_RETRY"
    assert active.faults == ("PRICING_MAX_RUNS_PER_TICK='many': must be a whole number of at least 1",)


def test_with_one_invalid_override_the_registry_applies_none() -> None:
    active = values("pricing", PRICING_SCHEDULE="7 * * * *", PRICING_RETRY="fixed 2000s, 3 attempts")
    assert {active.origins["schedule"], active.origins["retry"]} == {DECLARED}
    (fault,) = active.faults
    assert fault.startswith("PRICING_RETRY=")
    assert "retry waits longer than the 900 s that a queue can delay" in fault
