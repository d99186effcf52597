"""Concurrent deliveries of one firing, on an engine that serves them in parallel."""

from __future__ import annotations

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from functions.sites._webevals import queue
from functions.sites.webeval import Webeval
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome
from shared.observability.log import Log
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.run import run
from shared.store import table
from shared.store.keys import ONLY, RowKey
from shared.tables import WEBEVALS
from tests.conftest import NOON, create
from tests.support.web_server import Reply, Web

DELIVERIES = 50


class Sweep(Job):
    """Count how often it works."""

    name = "sweep"
    idempotency = natural("a swept row is not found again")

    def __init__(self) -> None:
        self.works = 0
        self.lock = threading.Lock()

    def work(self, run: RunContext) -> Outcome:
        with self.lock:
            self.works += 1
        return Done()


@pytest.fixture
def engine(apart: Cloud) -> Cloud:
    """A cloud with the table of web evaluations."""
    create(apart, WEBEVALS)
    return apart


def test_the_same_tick_delivered_fifty_times_at_once_works_once(engine: Cloud) -> None:
    job, quiet, gate = Sweep(), Log(lambda _: None, engine.clock), threading.Barrier(DELIVERIES)
    _ = engine.ConditionalCheckFailed

    def deliver(_: int) -> str:
        gate.wait()
        return run(job, Firing("sweep", NOON), engine, quiet).outcome

    with ThreadPoolExecutor(DELIVERIES) as pool:
        outcomes = Counter(pool.map(deliver, range(DELIVERIES)))
    assert job.works == 1
    assert outcomes == {"done": 1, "deduplicated": DELIVERIES - 1}
    [row] = engine.dynamodb.query(
        TableName=engine.names.table("state"),
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=attributes.row({":pk": "runs#sweep#2026-03-02"}),
    )["Items"]
    assert attributes.plain(row)["duplicates"] == DELIVERIES - 1


def test_fifty_ticks_at_once_run_one_at_a_time(engine: Cloud) -> None:
    at_work: list[int] = []
    inside = 0
    lock = threading.Lock()

    class Alone(Sweep):
        """Detect concurrent runs."""

        name = "alone"

        def work(self, run: RunContext) -> Outcome:
            nonlocal inside
            with lock:
                inside += 1
                at_work.append(inside)
            threading.Event().wait(0.02)
            with lock:
                inside -= 1
            return Done()

    job, quiet = Alone(), Log(lambda _: None, engine.clock)
    _ = engine.ConditionalCheckFailed

    def deliver(minute: int) -> str:
        return run(job, Firing("alone", NOON.replace(minute=minute)), engine, quiet).outcome

    with ThreadPoolExecutor(DELIVERIES) as pool:
        outcomes = Counter(pool.map(deliver, range(DELIVERIES)))
    assert set(at_work) == {1}
    assert outcomes["done"] == len(at_work) >= 1
    assert set(outcomes) <= {"done", "locked", "superseded"}


def test_two_runs_that_race_for_web_evaluations_do_each_once(engine: Cloud) -> None:
    start, quiet = threading.Barrier(2), Log(lambda _: None, engine.clock)
    with Web() as site:
        site.answers["/api/web-eval/run"] = Reply(200, '{"ok": true, "score": 90}')
        engine.environment = {"BASE_URLS": json.dumps([site.url]), "WEB_EVAL_EXEC_HOSTS": site.host}
        tasks = [queue(engine, site.host, f"{site.url}/page/{number}") for number in range(8)]

        def race(number: int) -> None:
            now = engine.clock.now()
            tick = RunContext(Webeval(), Firing("webeval", now), engine, f"run-{number}", now, quiet)
            start.wait(5)
            Webeval().work(tick)

        racers = [threading.Thread(target=race, args=(number,)) for number in (1, 2)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join(60)
        asked = Counter(json.loads(request.body)["task"] for request in site.asked)
    assert asked == dict.fromkeys(tasks, 1)
    rows = [table.get(engine, WEBEVALS, RowKey(task, ONLY)) for task in tasks]
    # Which run wrote the report of a task is open: a run also reports what the other one has just ended.
    assert [(row["state"], row["attempt"], "unreported" in row) for row in rows if row] == [("done", 1, False)] * 8
