"""Law: a job that works through owners goes on after one that fails, ends not ok, and alerts with the owner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from functions.flags._messages import UsageEvent, UsageIngestion
from functions.flags.period_rollover import PeriodRollover
from functions.flags.usage import Usage
from functions.mail.bandwidth_rollup import BandwidthRollup
from shared.archetypes.consumer import Consumer
from shared.archetypes.pipeline import Pipeline
from shared.archetypes.probe import Probe
from shared.archetypes.purge import Purge
from shared.archetypes.sweep import Sweep
from shared.aws.cloud import Cloud
from shared.job import registry
from shared.job.definition import Job
from shared.messages.tenant import Tenant
from shared.plugins.job import PluginJob
from shared.product import usage_sums
from shared.product.records.mail import MessageMetadata
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from shared.tables import METERS, ROLLUPS, STATE
from tests.conftest import Lines, VirtualClock
from tests.functions.flags.conftest import QUEUES, World, opened
from tests.support.stored_rows import put, there

OWNERS = [f"org_{number}" for number in range(1, 6)]
BAD = "org_2"
WRITES = ("update_item", "put_item", "transact_write_items")
# Their runners isolate each item, message or site: the tests of the archetypes.
ISOLATED_BY_ARCHETYPE = (Consumer, Pipeline, Probe, Purge, Sweep)
WITHOUT_OWNERS = {
    "crash": "has no items",
    "dead-letter-cleanup": "deletes rows of the platform",
    "dispatch": "starts the jobs of firings, each by itself",
    "docs": "looks at one site",
    "drift-watch": "compares resources of the platform",
    "job-monitoring": "reads the status of jobs; a channel that fails does not stop the others",
    "queue-health": "looks at queues of the platform",
    "reconciler": "looks at jobs of the platform",
    "run-retention": "deletes history of the platform",
    "webeval": "evaluates hosts, each by itself",
}
Given = Callable[[World], None]


def usage(world: World) -> None:
    for owner in OWNERS:
        world.organization(owner)
        event = UsageEvent(feature="exports", amount=7, at=world.clock.now())
        world.deliver(Usage(), UsageIngestion(organization_id=owner, batch_id="b1", events=(event,)))
    world.clock.move(days=1, hours=1)


def archived_usage(world: World) -> None:
    usage(world)
    assert go(world, PeriodRollover()).ok


def messages(world: World) -> None:
    at = world.clock.now() - timedelta(hours=1)
    put(
        world.cloud,
        *(MessageMetadata(user=owner, id="m1", bytes_used=7, received_at=at, recorded_at=at) for owner in OWNERS),
    )


def wrong_sums(world: World) -> None:
    messages(world)
    assert go(world, BandwidthRollup()).ok
    for row in there(world.cloud, ROLLUPS):
        world.put("rollups", {**row, "bytes_used": 6})


def days_archived(world: World) -> set[str]:
    rows = there(world.cloud, METERS)
    return {row["pk"].partition("#")[0] for row in rows if row["sk"].startswith("day#")}


def dashboards(world: World) -> set[str]:
    return {owner for owner in OWNERS if usage_sums.read(world.cloud, Tenant(owner), "2026-03")}


def sums(world: World) -> set[str]:
    return {row["pk"] for row in there(world.cloud, ROLLUPS) if row["bytes_used"] == 7 and row["sk"].startswith("day")}


@dataclass(frozen=True)
class Scenario:
    """given: creates work for each owner. done: the owners whose work is done."""

    given: Given
    done: Callable[[World], set[str]]


SCENARIOS = {
    "period-rollover": Scenario(usage, days_archived),
    "usage-aggregation": Scenario(archived_usage, dashboards),
    "bandwidth-rollup": Scenario(messages, sums),
    "bandwidth-rebuild": Scenario(wrong_sums, sums),
}
JOBS = registry.jobs()


@pytest.fixture
def world(cloud: Cloud, clock: VirtualClock, log: Lines) -> World:
    return opened(cloud, clock, log, QUEUES)


def go(world: World, job: Job) -> RunReport:
    return run(job, Firing(job.name, world.clock.now()), world.cloud, world.log)


def failing(world: World, owner: str, patch: pytest.MonkeyPatch) -> None:
    """Let each write of an owner's rows fail, except the rows of the platform."""

    def refusing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(**asked: Any) -> Any:
            text = str(asked)
            if f"'{owner}'" in text or f"'{owner}#" in text:
                of_platform = asked.get("TableName") == world.cloud.names.table(STATE.name)
                if not of_platform:
                    raise OSError("Item size has exceeded the maximum allowed size")
            return real(**asked)

        return call

    for client in {id(each): each for each in (world.cloud.dynamodb, world.cloud.bulk)}.values():
        for name in WRITES:
            patch.setattr(client, name, refusing(getattr(client, name)))


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_failing_owner_stops_no_other_and_is_alerted(
    name: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario, job = SCENARIOS[name], JOBS[name]
    scenario.given(world)
    with monkeypatch.context() as patch:
        failing(world, BAD, patch)
        report = go(world, job)
    assert (report.outcome, report.ok) == ("done", False)
    assert f"{BAD}: OSError: Item size" in report.note
    assert scenario.done(world) == {*OWNERS} - {BAD}
    owed = [row["alert"] for row in there(world.cloud, STATE) if row["pk"] == "owed#job-monitoring"]
    assert [(alert["kind"], alert["fields"]["entityId"]) for alert in owed] == [("OWNER_FAILED", BAD)]
    world.clock.move(hours=1)
    assert go(world, job).ok
    assert scenario.done(world) == {*OWNERS}


def test_each_job_has_a_scenario_or_a_reason() -> None:
    own = {name for name, job in JOBS.items() if not isinstance(job, (*ISOLATED_BY_ARCHETYPE, PluginJob))}
    assert own - SCENARIOS.keys() - WITHOUT_OWNERS.keys() == set()
    assert {*SCENARIOS, *WITHOUT_OWNERS} - JOBS.keys() == set()
