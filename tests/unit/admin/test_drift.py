"""The resources that a deployment of some jobs creates."""

from __future__ import annotations

from typing import Any

import pytest

from infra.expressions import expressions
from shared.admin.drift import FUNCTION, RULE, STACK, declared
from shared.aws.names import Names
from shared.job import Done, Job, Outcome, RunContext, cron, natural, registry

NAMES = Names("prod", "123456789012", "eu-central-1")


class TwoRules(Job):
    """Run on the first of a month and on Mondays."""

    schedule = cron("0 4 1 * 1")
    group = "unit"
    stages = ("prod",)
    idempotency = natural("it does nothing")

    def work(self, run: RunContext) -> Outcome:
        return Done()


def test_a_job_has_as_many_rules_as_expressions() -> None:
    job: Any = TwoRules()
    assert len(expressions(job)) == 2
    found = declared(NAMES, [job], [])
    rules = {name for kind, name in found if kind == RULE}
    assert rules == {f"nightshift-prod-{job.name}", f"nightshift-prod-{job.name}-2"}


@pytest.mark.parametrize(("stage", "expected"), [("prod", True), ("staging", False)])
def test_a_job_is_declared_in_its_stages_only(stage: str, expected: bool) -> None:
    job: Any = TwoRules()
    names = Names(stage, NAMES.account, NAMES.region)
    found = declared(names, [job], ["trigger"])
    assert ((FUNCTION, names.function(job.name)) in found) == expected
    assert ((STACK, names.stack("unit")) in found) == expected
    assert (FUNCTION, names.function("trigger")) in found
    assert {(STACK, names.stack("state")), (STACK, names.stack("front"))} <= found


def test_the_endpoints_are_the_folders_with_a_handler() -> None:
    assert "trigger" in registry.endpoints()
    assert "sites" not in registry.endpoints()
