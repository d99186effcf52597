"""The cause of a missed tick, and the command that mends it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from shared.admin import explain, trace_reader
from shared.admin.explain import Explanation
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.job.manifest import Entry
from shared.job.schedule import Schedule, every
from shared.ledger import expected_since
from shared.run.firing import Firing
from shared.run.run import run
from shared.store import table
from shared.tables import STATE
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.deployed_function import deploy_function, put_rule
from tests.support.sweep_job import Sweep

NAME = "nightshift-test-sweep"
RESTORE = "python jobs.py drift --restore sweep --reason 'missed ticks' --aws --stage test"
DEPLOY = "npx cdk deploy --all -c stage=test"


class Ticking(Sweep):
    """Sweep every quarter of an hour."""

    name = "sweep"
    schedule: ClassVar[Schedule | None] = every(minutes=15)


class Other(Ticking):
    """A job that is due with the first one."""

    name = "other"


class World:
    """A deployed job whose tick of noon was missed, looked at an hour later."""

    def __init__(self, cloud: Cloud, clock: VirtualClock, log: Lines, entries: dict[str, Entry]) -> None:
        self.cloud, self.clock, self.log, self.entries = cloud, clock, log, entries

    def ask(self) -> Explanation:
        self.clock.instant = NOON + timedelta(hours=1)
        why = explain.explain(trace_reader.trace(self.cloud, Ticking(), NOON), "test")
        assert why.headline.endswith("was missed.")
        return why

    def run(self, job: Sweep, at: datetime = NOON) -> None:
        self.clock.instant = at
        assert run(job, Firing(job.name, at), self.cloud, self.log).outcome == "done"

    def deploy(self, *, enabled: bool = True, concurrency: int | None = None) -> None:
        put_rule(self.cloud, NAME, enabled=enabled)
        deploy_function(self.cloud, NAME)
        if concurrency is not None:
            self.cloud.functions.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=concurrency)


@pytest.fixture
def world(cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch) -> World:
    entries = manifest.of([Ticking(), Other()])
    monkeypatch.setattr(manifest, "load", lambda: entries)
    clock.instant = NOON - timedelta(days=1)
    expected_since.refresh(cloud, entries)
    return World(cloud, clock, log, entries)


def commands(why: Explanation) -> list[str]:
    return [command for command, _ in why.commands]


def text(why: Explanation) -> str:
    return " ".join(why.facts)


def test_a_disabled_rule_is_the_cause_and_restored_by_the_first_command(world: World) -> None:
    world.deploy(enabled=False)
    why = world.ask()
    assert f"Its rule {NAME} is disabled: no event starts the job until it is enabled." in why.facts
    assert commands(why)[0] == RESTORE
    assert why.data["cause"]["disabled"] == [NAME]


def test_a_concurrency_of_0_is_the_cause_and_removed_by_the_first_command(world: World) -> None:
    world.deploy(concurrency=0)
    world.run(Other())
    why = world.ask()
    assert "this job only" not in text(why)
    assert f"Its function {NAME} has a reserved concurrency of 0: Lambda starts no run of it." in why.facts
    assert commands(why)[0] == RESTORE


def test_what_is_not_deployed_is_the_cause_and_deployed_by_the_first_command(world: World) -> None:
    why = world.ask()
    assert f"Its rule {NAME} does not exist: the job is not deployed, or it was deleted by hand." in why.facts
    assert f"Its function {NAME} does not exist: the job is not deployed, or it was deleted by hand." in why.facts
    assert commands(why)[0] == DEPLOY


def test_other_jobs_that_missed_theirs_show_that_everything_was_down(world: World) -> None:
    world.deploy()
    why = world.ask()
    assert (
        "Other jobs missed their ticks at that time too (other): EventBridge, Lambda or the whole deployment was down."
        in why.facts
    )
    assert not {RESTORE, DEPLOY} & {*commands(why)}
    assert "python jobs.py sweep --aws --stage test" in commands(why)


def test_other_jobs_that_ran_show_that_the_cause_is_the_jobs_own(world: World) -> None:
    world.deploy()
    world.run(Other())
    why = world.ask()
    assert "Other jobs had their ticks at that time (other): the cause concerns this job only." in why.facts
    assert "either was stopped then, or the event was lost" in text(why)
    assert (why.data["cause"]["also_missed"], why.data["cause"]["not_missed"]) == ([], ["other"])


def test_a_known_cause_is_not_doubted_because_others_missed_theirs_too(world: World) -> None:
    world.deploy(enabled=False)
    why = world.ask()
    assert "Other jobs missed their ticks at that time too (other)." in why.facts
    assert "was down" not in text(why)


def test_an_event_that_could_not_be_delivered_is_the_cause(world: World) -> None:
    world.deploy()
    world.run(Other())
    letter: dict[str, Any] = {"pk": "dead#sweep", "reason": "undeliverable"}
    for at, minute in (("13", "00"), ("12", "15")):
        error = f"the tick of 2026-03-02T12:{minute}:00Z could not be delivered"
        sk = f"2026-03-02T{at}:00:30.000Z#dead{minute}"
        table.put(world.cloud, STATE, {**letter, "sk": sk, "id": f"dead{minute}", "error": error})
    why = world.ask()
    assert "EventBridge could not deliver its event to the function: dead letter dead00." in why.facts
    assert "python jobs.py dead show dead00 --aws --stage test" in commands(why)
    assert "the event was lost" not in text(why)


def test_what_aws_does_not_show_is_named_with_what_is_known(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deploy()
    world.run(Other())

    def refuse(**_: str) -> None:
        error: Any = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}
        raise ClientError(error, "DescribeRule")

    monkeypatch.setattr(world.cloud.rules, "describe_rule", refuse)
    why = world.ask()
    assert "AWS does not show everything that starts the job: An error occurred (AccessDeniedException)" in text(why)
    assert "Other jobs had their ticks at that time (other)" in text(why)
    assert "the event was lost" not in text(why)


def test_a_tick_that_ran_asks_aws_for_no_cause(world: World) -> None:
    world.run(Ticking())
    world.clock.move(hours=1)
    assert trace_reader.trace(world.cloud, Ticking(), NOON).cause is None


def test_a_tick_that_was_caught_up_is_explained_with_what_stopped_it(world: World) -> None:
    world.deploy(enabled=False)
    world.run(Other())
    values = {"outcome": "missed", "from": "2026-03-02T12:00Z", "to": "2026-03-02T12:00Z", "count": 1}
    table.put(
        world.cloud, STATE, {"pk": "runs#sweep#2026-03-02", "sk": "20260302T120000.000Z-missed", "tick": "", **values}
    )
    world.clock.instant = NOON + timedelta(minutes=20)
    assert run(Ticking(), Firing("sweep", NOON), world.cloud, world.log).outcome == "done"
    why = explain.explain(trace_reader.trace(world.cloud, Ticking(), NOON), "test")
    assert why.headline.endswith("ran late.")
    assert f"Its rule {NAME} is disabled: no event starts the job until it is enabled." in why.facts


def awaited(world: World, clock: VirtualClock) -> Explanation:
    clock.instant = NOON + timedelta(minutes=17)
    return explain.explain(trace_reader.trace(world.cloud, Ticking()), "test")


def test_without_a_time_the_missed_tick_is_explained_and_not_one_that_may_still_start(
    world: World, clock: VirtualClock
) -> None:
    world.run(Ticking(), NOON - timedelta(minutes=15))
    world.deploy(enabled=False)
    why = awaited(world, clock)
    assert why.headline == "sweep: the tick of 2026-03-02 12:00 UTC was missed."
    assert commands(why)[0] == RESTORE


def test_without_a_time_a_job_that_never_ran_is_explained_by_a_tick_that_was_expected(
    world: World, clock: VirtualClock
) -> None:
    assert awaited(world, clock).headline.endswith("12:00 UTC was missed.")
    clock.instant = NOON - timedelta(hours=22, minutes=58)
    early = explain.explain(trace_reader.trace(world.cloud, Ticking()), "test")
    assert early.headline.endswith("has not started yet.")


def test_without_a_time_the_last_tick_is_explained_if_the_one_before_was_claimed(
    world: World, clock: VirtualClock
) -> None:
    world.run(Ticking())
    assert awaited(world, clock).headline.endswith("12:15 UTC has not started yet.")
