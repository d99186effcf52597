"""Heartbeat of a tick: one check for its parts, shards and lost runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome
from shared.job.retry import NO_RETRY
from shared.run import lost_runs, tick_heartbeat
from shared.run.claim import Claims
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.run import run
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.web_server import Reply, Web

URL = "HC_SWEEP_URL"
TICK = Firing("sweep", NOON, retried=False)


class Sweep(Job):
    """Sweep what is due."""

    name = "sweep"
    env = "SWEEP"
    timeout = 60
    retry = NO_RETRY
    idempotency = natural("a swept row is not found again")

    def __init__(self, work: Callable[[RunContext], Outcome] = lambda _: Done()) -> None:
        self.body = work

    def work(self, run: RunContext) -> Outcome:
        return self.body(run)


@pytest.fixture
def web(cloud: Cloud) -> Iterator[Web]:
    with Web() as made:
        for path in ("/ping", "/ping/start", "/ping/fail"):
            made.answers[path] = Reply()
        cloud.environment = {URL: f"{made.url}/ping"}
        yield made


def failing(_: RunContext) -> Outcome:
    raise ValueError("x")


def test_a_lost_run_pings_a_failure_for_the_process_that_finds_it(
    web: Web, cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    entry = manifest.of([Sweep()])["sweep"]
    Claims(cloud, Sweep(), "-").take(TICK, "20260302T120000.000Z-00000000", "request")
    clock.move(minutes=5)
    item = lost_runs.claim_item(cloud, entry, "-")
    assert lost_runs.mark_lost(cloud, log, "sweep", entry, item, "no end")
    assert not lost_runs.mark_lost(cloud, log, "sweep", entry, item, "no end")
    assert web.paths() == ["/ping/fail"]
    assert [line["lost"] for line in log.said("sweep_lost")] == ["20260302T120000.000Z-00000000"]


def test_a_lost_run_pings_a_failure_for_the_next_run(web: Web, cloud: Cloud, log: Lines, clock: VirtualClock) -> None:
    Claims(cloud, Sweep(), "-").take(TICK, "20260302T120000.000Z-00000000", "request")
    clock.move(minutes=5)
    run(Sweep(), replace(TICK, at=clock.now()), cloud, log)
    assert web.paths() == ["/ping/fail", "/ping/start", "/ping"]


def test_another_function_pings_by_the_settings_of_the_job(
    web: Web, cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def configuration(FunctionName: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        asked.append(FunctionName)
        return {"Environment": {"Variables": {URL: f"{web.url}/ping"}}}

    monkeypatch.setattr(cloud.functions, "get_function_configuration", configuration)
    cloud.environment = {"AWS_LAMBDA_FUNCTION_NAME": "nightshift-test-reconciler"}
    tick_heartbeat.ping_lost(cloud, log, "sweep", manifest.of([Sweep()])["sweep"])
    assert (asked, web.paths()) == ([cloud.names.function("sweep")], ["/ping/fail"])


def test_an_unreadable_setting_of_the_job_is_logged(cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.environment = {"AWS_LAMBDA_FUNCTION_NAME": "nightshift-test-reconciler"}
    monkeypatch.setattr(cloud.functions, "get_function_configuration", lambda **_: 1 / 0)
    tick_heartbeat.ping_lost(cloud, log, "sweep", manifest.of([Sweep()])["sweep"])
    assert [line["error"] for line in log.said("heartbeat_failed")] == ["ZeroDivisionError: division by zero"]


def test_a_tick_in_parts_is_one_check(web: Web, cloud: Cloud, log: Lines) -> None:
    tick = replace(TICK, retried=True)
    first = Sweep(lambda _: Done(checkpoint={"next": 1}))
    assert run(first, tick, cloud, log).outcome == "done"
    assert web.paths() == ["/ping/start"]
    assert run(Sweep(), tick.continuation(), cloud, log).outcome == "done"
    assert web.paths() == ["/ping/start", "/ping"]


def test_a_good_part_does_not_cover_a_bad_one(web: Web, cloud: Cloud, log: Lines) -> None:
    tick = replace(TICK, retried=True)
    run(Sweep(lambda _: Done(ok=False, note="down", checkpoint={"next": 1})), tick, cloud, log)
    run(Sweep(), tick.continuation("down"), cloud, log)
    assert web.paths() == ["/ping/start", "/ping/fail", "/ping/fail"]


class Named(Sweep):
    """Sweep what is due of one target, any name."""

    name = "sweep"
    env = "SWEEP"
    by_name = True


class Sharded(Sweep):
    """Sweep what is due, in three shards."""

    name = "sweep"
    env = "SWEEP"

    shards = 3


def test_a_tick_in_shards_succeeds_when_all_shards_have(web: Web, cloud: Cloud, log: Lines) -> None:
    assert run(Sharded(), TICK, cloud, log).counts == {"shards": 3}
    run(Sharded(), TICK.shard(0, 3), cloud, log)
    run(Sharded(failing), TICK.shard(1, 3), cloud, log)
    run(Sharded(), TICK.shard(2, 3), cloud, log)
    assert web.paths() == ["/ping/start", "/ping/fail"]
    run(Sharded(), replace(TICK.shard(1, 3), attempt=2), cloud, log)
    assert web.paths() == ["/ping/start", "/ping/fail", "/ping"]


class Following(Sharded):
    """Sweep what is due, in as many shards as it needs."""

    name = "sweep"
    env = "SWEEP"
    shard_items = 10
    due = 5

    def work(self, run: RunContext) -> Outcome:
        return run.start_shards(self.due) or Done()


def test_a_tick_succeeds_with_the_shards_that_it_has_started(web: Web, cloud: Cloud, log: Lines) -> None:
    job = Following()
    assert run(job, TICK, cloud, log).counts == {}
    assert web.paths() == ["/ping/start", "/ping"]
    job.due = 15
    later = replace(TICK, at=TICK.at + timedelta(minutes=1))
    assert run(job, later, cloud, log).counts == {"shards": 2}
    run(job, later.shard(0, 2), cloud, log)
    assert web.paths() == ["/ping/start", "/ping", "/ping/start"]
    run(job, later.shard(1, 2), cloud, log)
    assert web.paths() == ["/ping/start", "/ping", "/ping/start", "/ping"]


def test_a_manual_run_of_one_target_covers_no_failure(web: Web, cloud: Cloud, log: Lines) -> None:
    one = Firing("sweep", NOON, target="1", manual=True, id="by-hand", retried=False)
    assert run(Sharded(), one, cloud, log).outcome == "done"
    assert run(Named(), replace(one, id="by-hand-2"), cloud, log).outcome == "done"
    assert web.paths() == []
