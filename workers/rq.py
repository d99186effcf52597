"""Jobs under RQ: `rq worker --worker-class workers.rq.Worker --with-scheduler nightshift`; RQ_REDIS_URL says where."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import cache
from typing import Any

import rq
from redis import Redis
from rq import Callback, Queue, get_current_job
from rq.exceptions import AbandonedJobError
from rq.job import Job

from shared.aws.cloud import Cloud
from shared.job.setting import SettingError
from shared.observability.log import Log
from shared.run.firing import Firing
from workers import delivery
from workers.delivery import InProgress

QUEUE = "nightshift"
# RQ's own alarm is ours while a job works (shared/deadline.py); this one covers what is before and after that.
LONGEST = 900
DAY = 86_400
# Asked for now: a worker that does not know where it is must not start.
NAMES = delivery.names()


class Worker(rq.Worker):
    """A worker that tells of a work horse which did not come back, and has made what each of them needs."""

    def work(self, *words: Any, **named: Any) -> bool:
        _prepared()
        return super().work(*words, **named)

    def handle_work_horse_killed(self, job: Job, retpid: Any, ret_val: Any, rusage: Any) -> None:
        delivery.interrupted(*_asked(job), f"its process ended with status {ret_val}", Cloud(NAMES), Log())
        super().handle_work_horse_killed(job, retpid, ret_val, rusage)  # type: ignore[no-untyped-call]


def run(body: Any, request: str = "") -> None:
    """`request`: of the first delivery, where this one was put off. Retries are ours, not RQ's."""
    job = get_current_job()
    request = request or (job.id if job else "")
    outcome = delivery.deliver(body, request, _prepared(), Log())
    if isinstance(outcome, InProgress):
        _send(body, request, outcome.seconds)


def failed(job: Job, _connection: Any, kind: type[BaseException], error: BaseException, _trace: Any) -> None:
    """It raised in its process, or RQ found it abandoned; in that case its process may still be at work."""
    if issubclass(kind, AbandonedJobError):
        _send(*_asked(job))
    else:
        delivery.interrupted(*_asked(job), f"{kind.__name__}: {error}", _prepared(), Log())


def send(firing: Firing, delay: int) -> None:
    _send({"firing": firing.data()}, "", delay)


def _send(body: Any, request: str, delay: int = 0) -> None:
    given: dict[str, Any] = {
        "args": (body, request),
        "job_timeout": LONGEST,
        "result_ttl": 0,
        "failure_ttl": DAY,
        "on_failure": Callback("workers.rq.failed"),
    }
    queue = _queue(os.getpid())
    if delay:
        # RQ keeps whole seconds and cuts off the rest; a delay is the least that is waited.
        queue.enqueue_in(timedelta(seconds=delay + 1), "workers.rq.run", **given)
    else:
        queue.enqueue("workers.rq.run", **given)


def _asked(job: Job) -> tuple[Any, str]:
    body, request = job.args
    return body, request or job.id


@cache
def _queue(_pid: int) -> Queue:
    url = os.environ.get("RQ_REDIS_URL")
    if not url:
        raise SettingError("RQ_REDIS_URL is not set; say where the Redis of RQ is, as in redis://localhost:6379/0")
    return Queue(QUEUE, connection=Redis.from_url(url))


@cache
def _prepared() -> Cloud:
    """For work horses, each of which is a fork. The worker makes it and never uses it: no connection is shared."""
    cloud = Cloud(NAMES)
    _ = cloud.dynamodb, cloud.sqs, cloud.s3
    delivery.all_jobs()
    return cloud
