"""RQ adapter: `rq worker --worker-class workers.rq.Worker --with-scheduler nightshift`, with RQ_REDIS_URL."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import cache
from typing import Any

import rq
from redis import Redis
from rq import Callback, Queue, get_current_job
from rq.exceptions import AbandonedJobError, NoSuchJobError
from rq.executions import Execution
from rq.job import Job

from shared.aws.cloud import Cloud
from shared.job.setting import SettingError
from shared.observability.log import Log
from shared.run.firing import Firing
from workers import delivery
from workers.delivery import InProgress

QUEUE = "nightshift"
# Seconds. The run replaces RQ's alarm while the job works (shared/deadline.py); this timeout covers the time around it.
JOB_TIMEOUT = 900
# Seconds for which RQ retains failed jobs.
FAILURE_TTL = 86_400
# Seconds between two checks for runs that other workers abandoned, and for a scheduler; RQ's own are ten minutes.
MAINTENANCE_INTERVAL = 60
# Read at import: a worker without a deployment must not start.
NAMES = delivery.names()


class Worker(rq.Worker):
    """A worker that records runs whose work horse was killed.

    It loads before the fork what work horses need. Stopped by a second signal, it returns its run to the queue.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.maintenance_interval = min(self.maintenance_interval, MAINTENANCE_INTERVAL)

    @property
    def dequeue_timeout(self) -> int:
        # An idle worker does its maintenance between two waits for a job.
        return min(super().dequeue_timeout, MAINTENANCE_INTERVAL)

    def work(self, *args: Any, **kwargs: Any) -> bool:
        _cloud()
        return super().work(*args, **kwargs)

    def monitor_work_horse(self, job: Job, queue: Queue, execution: Execution) -> None:
        try:
            super().monitor_work_horse(job, queue, execution)
        except SystemExit:
            # Raised by the handler of the second signal, which has killed the work horse.
            if self.horse_pid:
                self._return(job, queue, execution)
            raise

    def _return(self, job: Job, queue: Queue, execution: Execution) -> None:
        try:
            delivery.return_to_queue(*_body_and_request(job), delivery.RETURNED, Cloud(NAMES), Log())
            job.refresh()  # type: ignore[no-untyped-call]
        except NoSuchJobError:
            # It had finished, and RQ has deleted it.
            return
        except Exception:
            # RQ still lists the job as started: the maintenance of another worker finds it.
            self.log.exception("%s could not be returned to the queue yet", job.id)
            return
        self.handle_job_failure(job, queue=queue, exc_string=delivery.RETURNED, execution=execution)

    def handle_work_horse_killed(self, job: Job, retpid: Any, ret_val: Any, rusage: Any) -> None:
        delivery.interrupted(*_body_and_request(job), f"its process ended with status {ret_val}", Cloud(NAMES), Log())
        super().handle_work_horse_killed(job, retpid, ret_val, rusage)  # type: ignore[no-untyped-call]


def run(body: Any, request: str = "") -> None:
    """Run one delivery.

    request: of the first delivery, where this one was deferred.

    Retries are sent by the run itself, not by RQ.
    """
    job = get_current_job()
    request = request or (job.id if job else "")
    outcome = delivery.deliver(body, request, _cloud(), Log())
    if isinstance(outcome, InProgress):
        _send(body, request, outcome.seconds)


def failed(job: Job, _connection: Any, kind: type[BaseException], error: BaseException, _trace: Any) -> None:
    """Handle a job that raised, or that RQ found abandoned.

    An abandoned one may still run.
    """
    if issubclass(kind, AbandonedJobError):
        _send(*_body_and_request(job))
    else:
        delivery.interrupted(*_body_and_request(job), f"{kind.__name__}: {error}", _cloud(), Log())


def send(firing: Firing, delay: int) -> None:
    """Send a firing to RQ, due in `delay` seconds."""
    _send({"firing": firing.data()}, "", delay)


def _send(body: Any, request: str, delay: int = 0) -> None:
    options: dict[str, Any] = {
        "args": (body, request),
        "job_timeout": JOB_TIMEOUT,
        "result_ttl": 0,
        "failure_ttl": FAILURE_TTL,
        "on_failure": Callback("workers.rq.failed"),
    }
    queue = _queue(os.getpid())
    if delay:
        # RQ cuts delays to whole seconds; a firing must not be early.
        queue.enqueue_in(timedelta(seconds=delay + 1), "workers.rq.run", **options)
    else:
        queue.enqueue("workers.rq.run", **options)


def _body_and_request(job: Job) -> tuple[Any, str]:
    body, request = job.args
    return body, request or job.id


@cache
def _queue(_pid: int) -> Queue:
    url = os.environ.get("RQ_REDIS_URL")
    if not url:
        raise SettingError("RQ_REDIS_URL is not set; set it to the Redis of RQ, as in redis://localhost:6379/0")
    return Queue(QUEUE, connection=Redis.from_url(url))


@cache
def _cloud() -> Cloud:
    """Return the cloud of a work horse, which is a fork.

    The worker creates it unused: no connection is shared.
    """
    cloud = Cloud(NAMES)
    _ = cloud.dynamodb, cloud.sqs, cloud.s3
    delivery.all_jobs()
    return cloud
