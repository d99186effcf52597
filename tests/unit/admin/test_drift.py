"""The resources that a deployment of some jobs creates."""

from __future__ import annotations

from typing import Any

from infra.expressions import expressions
from shared.admin.drift import FUNCTION, RULE, STACK, declared
from shared.aws.names import Names
from shared.job import Done, Job, Outcome, RunContext, cron, manifest, natural, registry

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
    found = declared(NAMES, manifest.of([job]), [])
    rules = {name for kind, name in found if kind == RULE}
    assert rules == {f"nightshift-prod-{job.name}", f"nightshift-prod-{job.name}-2"}


def test_functions_are_those_of_jobs_and_endpoints_and_stacks_those_of_groups_and_platform() -> None:
    job: Any = TwoRules()
    found = declared(NAMES, manifest.of([job]), ["trigger"])
    assert {(FUNCTION, NAMES.function(job.name)), (FUNCTION, NAMES.function("trigger"))} <= found
    assert {(STACK, NAMES.stack(name)) for name in ("unit", "state", "front")} <= found


def test_the_endpoints_are_the_folders_with_a_handler() -> None:
    assert "trigger" in registry.endpoints()
    assert "sites" not in registry.endpoints()
