"""Routing: one setting selects the runtime of a job, and is read at each tick."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job.definition import RUN_BY, Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome, Snoozed
from shared.job.retry import NO_RETRY, exponential
from shared.run.context import RunContext
from shared.run.firing import Firing, MalformedEvent, parse_firing
from shared.run.report import RunReport
from shared.run.run import run
from shared.store import keys
from tests.conftest import NOON, Calls, Lines, VirtualClock, letters, waiting


class Sweep(Job):
    """Sweep what is due."""

    name = "sweep"
    idempotency = natural("a swept row is not found again")
    grace = 3600

    def __init__(self, work: Callable[[RunContext], Outcome] = lambda _: Done({"swept": 3})) -> None:
        self.body = work
        self.ran = 0

    def work(self, run: RunContext) -> Outcome:
        self.ran += 1
        return self.body(run)


class Stubborn(Sweep):
    """Sweep, however often it takes."""

    name = "stubborn"
    retry = exponential(first=1, retries=6)


TICK = Firing("sweep", NOON, correlation_id="corr-1")
Go = Callable[..., RunReport]


@pytest.fixture
def go(cloud: Cloud, log: Lines) -> Go:
    def go(job: Job, firing: Firing = TICK, by: str = "", **rest: Any) -> RunReport:
        cloud.environment = {**cloud.environment, **({f"{job.env}_RUN_BY": by} if by else {})}
        return run(job, firing, cloud, log, **rest)

    return go


def everything(cloud: Cloud) -> list[dict[str, Any]]:
    return [attributes.plain(item) for item in cloud.dynamodb.scan(TableName=cloud.names.table("state"))["Items"]]


def failing(_: RunContext) -> Outcome:
    raise ValueError("the disk is full")


class Broker(ModuleType):
    """An adapter that records its calls."""

    def __init__(self, name: str) -> None:
        super().__init__(f"workers.{name}")
        self.sent: list[tuple[Firing, int]] = []
        self.down = False

    def send(self, firing: Firing, delay: int) -> None:
        if self.down:
            raise ConnectionError("no broker at redis://nowhere")
        self.sent.append((firing, delay))


@pytest.fixture(params=["celery", "rq"])
def broker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker(request.param)
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def test_a_job_runs_at_its_tick_by_default(go: Go, cloud: Cloud) -> None:
    job = Sweep()
    assert (go(job).outcome, job.ran) == ("done", 1)
    assert waiting(cloud) == waiting(cloud, "work") == []


@pytest.mark.parametrize(("by", "queue", "hop"), [("queue", "firings", 3), ("worker", "work", 1)])
def test_a_tick_is_sent_to_its_runtime_and_claims_nothing(
    by: str, queue: str, hop: int, go: Go, cloud: Cloud, log: Lines
) -> None:
    job, calls = Sweep(), Calls(cloud)
    report = go(job, by=by)
    assert (report.outcome, report.ok, job.ran) == ("enqueued", True, 0)
    assert calls.made == ["sqs:SendMessage", "dynamodb:UpdateItem"]
    assert waiting(cloud, queue) == [{"firing": {**TICK.data(), "by": by, "hop": hop}}]
    [row] = everything(cloud)
    assert (row["pk"], row["outcome"], row["note"]) == ("runs#sweep#2026-03-02", "enqueued", f"to be run by {by}")
    assert log.said("sweep_enqueued")


def test_a_tick_is_sent_to_the_broker_of_another_system(broker: Broker, go: Go) -> None:
    by = broker.__name__.partition(".")[2]
    assert go(Sweep(), by=by).outcome == "enqueued"
    assert broker.sent == [(replace(TICK, by=by), 0)]


def test_the_setting_is_read_at_each_tick(go: Go, cloud: Cloud) -> None:
    job = Sweep()
    outcomes = [
        go(job, replace(TICK, at=NOON.replace(minute=minute)), by).outcome
        for minute, by in enumerate(("inline", "worker", " Inline "))
    ]
    assert (outcomes, job.ran) == (["done", "enqueued", "done"], 2)


def test_a_routed_firing_is_run_under_any_setting(go: Go) -> None:
    job = Sweep()
    assert go(job, TICK.routed("worker"), by="worker").outcome == "done"
    assert go(job, replace(TICK.routed("celery"), at=NOON.replace(minute=1)), by="perhaps").outcome == "done"


def test_the_same_tick_enqueued_twice_runs_once(go: Go, cloud: Cloud) -> None:
    job = Sweep()
    assert [go(job, by="worker").outcome for _ in range(2)] == ["enqueued"] * 2
    sent = [parse_firing(body["firing"], NOON) for body in waiting(cloud, "work")]
    assert [go(job, firing).outcome for firing in sent] == ["done", "deduplicated"]
    assert job.ran == 1


def test_a_retry_goes_to_the_broker_of_the_failed_attempt(broker: Broker, go: Go, cloud: Cloud) -> None:
    by = broker.__name__.partition(".")[2]
    go(Sweep(failing), TICK.routed(by))
    [(firing, delay)] = broker.sent
    assert (firing.attempt, firing.by) == (2, by)
    assert 2 <= delay <= 3
    assert waiting(cloud) == waiting(cloud, "work") == []


@pytest.mark.parametrize(("by", "queue"), [("inline", "firings"), ("queue", "firings"), ("worker", "work")])
def test_follow_ups_take_the_route_of_their_firing(by: str, queue: str, go: Go, cloud: Cloud) -> None:
    class Parts(Sweep):
        """Sweep in parts."""

        name = "parts"
        shards = 2

    go(Sweep(failing), replace(TICK, by=by))
    go(Sweep(lambda _: Snoozed(60)), replace(TICK, by=by, at=NOON.replace(minute=1)))
    go(Sweep(lambda _: Done(checkpoint={"next": 2})), replace(TICK, by=by, at=NOON.replace(minute=2)))
    go(Parts(), replace(TICK, job="parts", by=by))
    assert [body["firing"]["by"] for body in waiting(cloud, queue)] == [by] * 5
    assert waiting(cloud) == waiting(cloud, "work") == []


def test_shards_go_to_the_broker_one_by_one(broker: Broker, go: Go) -> None:
    class Parts(Sweep):
        """Sweep in parts."""

        name = "parts"
        shards = 3

    go(Parts(), replace(TICK, job="parts", by=broker.__name__.partition(".")[2]))
    assert [(firing.target, delay) for firing, delay in broker.sent] == [("0", 0), ("1", 0), ("2", 0)]


def test_used_up_attempts_are_a_dead_letter_under_any_broker(broker: Broker, go: Go, cloud: Cloud) -> None:
    last = replace(TICK, attempt=4, hop=7, by=broker.__name__.partition(".")[2])
    go(Sweep(failing), last)
    [letter] = letters(cloud, "firings-dlq")
    assert (letter["dead"]["reason"], broker.sent) == ("all 4 attempts used up", [])


def test_an_unknown_runtime_fails_the_tick_and_is_named(go: Go, cloud: Cloud) -> None:
    job = Sweep()
    report = go(job, by="cron")
    assert (report.outcome, job.ran) == ("failed", 0)
    assert report.note == "SWEEP_RUN_BY='cron': must be one of inline, queue, worker, celery, rq"
    assert waiting(cloud) == waiting(cloud, "work") == letters(cloud, "firings-dlq") == []


def test_a_runtime_that_is_not_installed_fails_the_tick_and_is_named(
    go: Go, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "workers.celery", None)
    report = go(Sweep(), by="celery")
    assert report.outcome == "failed"
    assert "to be run by celery, and that is not installed here" in report.note
    assert waiting(cloud) == letters(cloud, "firings-dlq") == []


def test_a_broker_that_does_not_answer_is_a_failed_attempt(broker: Broker, go: Go, cloud: Cloud) -> None:
    broker.down = True
    by = broker.__name__.partition(".")[2]
    report = go(Sweep(), by=by)
    assert (report.outcome, report.note) == ("failed", "ConnectionError: no broker at redis://nowhere")
    [body] = waiting(cloud)
    # Through `firings`, and not routed yet: the next attempt reads the setting again.
    assert (body["firing"]["attempt"], body["firing"]["by"]) == (2, "")


def test_a_crontab_line_has_the_exit_code_where_routing_fails(broker: Broker, go: Go, cloud: Cloud) -> None:
    broker.down = True
    tick = replace(TICK, retried=False)
    assert go(Sweep(), tick, broker.__name__.partition(".")[2]).outcome == "failed"
    assert waiting(cloud) == []


def test_a_firing_that_a_crontab_line_routes_is_retried(go: Go, cloud: Cloud) -> None:
    go(Sweep(), replace(TICK, retried=False), "worker")
    [body] = waiting(cloud, "work")
    assert body["firing"]["retried"] is True


def test_a_closed_gate_is_recorded_at_the_tick_and_routes_nothing(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    cloud.environment = {"SWEEP_ENABLE": "false"}
    assert go(Sweep(), by="worker").outcome == "disabled"
    cloud.environment = {}
    clock.move(hours=2)
    assert go(Sweep(), by="worker").outcome == "late"
    assert waiting(cloud, "work") == []


def test_grace_is_checked_again_by_the_runtime(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    go(Sweep(), by="worker")
    [body] = waiting(cloud, "work")
    clock.move(hours=2)
    assert go(Sweep(), parse_firing(body["firing"], clock.now())).outcome == "late"


def test_a_manual_run_is_routed_and_its_request_row_left_to_the_runtime(go: Go, cloud: Cloud) -> None:
    asked = replace(TICK, manual=True, id="by-hand")
    assert go(Sweep(), asked, "worker").outcome == "enqueued"
    assert [row["pk"] for row in everything(cloud)] == ["runs#sweep#2026-03-02"]
    [body] = waiting(cloud, "work")
    assert go(Sweep(), parse_firing(body["firing"], NOON)).outcome == "done"
    [marker] = [row for row in everything(cloud) if row["sk"] == "by-hand"]
    assert marker["outcome"] == "done"


def test_a_manual_request_shows_that_it_could_not_be_routed(go: Go, cloud: Cloud) -> None:
    go(Sweep(), replace(TICK, manual=True, id="by-hand"), "cron")
    [marker] = [row for row in everything(cloud) if row["sk"] == "by-hand"]
    assert marker["outcome"] == "failed"


def test_a_chain_that_lambda_would_interrupt_is_not_begun(go: Go, cloud: Cloud) -> None:
    report = go(Stubborn(), replace(TICK, job="stubborn"), "queue")
    assert report.outcome == "failed"
    assert "STUBBORN_RUN_BY=queue: with 7 attempts after routing 16 invocations may follow each other" in (report.note)
    assert go(Stubborn(), replace(TICK, job="stubborn"), "worker").outcome == "enqueued"


def test_a_job_without_retries_fails_without_a_letter_where_the_broker_is_down(
    broker: Broker, go: Go, cloud: Cloud
) -> None:
    class Once(Sweep):
        """Sweep once."""

        name = "once"
        retry = NO_RETRY

    broker.down = True
    go(Once(), replace(TICK, job="once"), broker.__name__.partition(".")[2])
    assert waiting(cloud) == letters(cloud, "firings-dlq") == []


def test_a_firing_for_an_unknown_runtime_is_malformed() -> None:
    with pytest.raises(MalformedEvent, match="by is one of inline, queue, worker, celery, rq, or empty"):
        parse_firing({**TICK.data(), "by": "os"}, NOON)
    assert [parse_firing({**TICK.data(), "by": by}, NOON).by for by in ("", *RUN_BY)] == ["", *RUN_BY]


def test_a_firing_without_a_runtime_is_read() -> None:
    old = {name: value for name, value in TICK.data().items() if name != "by"}
    assert parse_firing(old, NOON) == TICK


def test_history_has_a_row_of_the_routing_and_one_of_the_run(go: Go, cloud: Cloud) -> None:
    handed = go(Sweep(), by="worker")
    done = go(Sweep(), TICK.routed("worker"))
    for report in (handed, done):
        key = attributes.row(keys.run("sweep", report.run_id).attributes)
        row = attributes.plain(cloud.dynamodb.get_item(TableName=cloud.names.table("state"), Key=key).get("Item"))
        assert (row["outcome"], row["tick"]) == (report.outcome, "2026-03-02T12:00Z#00")
