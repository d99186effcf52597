"""Celery adapter: runs jobs in Celery's prefork pool.

Start: `celery -A workers.celery worker -Q nightshift`.

The broker is the deployment's queue `celery` (default) or CELERY_BROKER_URL; CELERY_CONFIG_MODULE names a module with
further settings of Celery. To use your own app, set NIGHTSHIFT_CELERY_APP=shop.celery:app, and let it include
"workers.celery".
"""

from __future__ import annotations

import importlib
import os
from functools import cache
from typing import Any

from celery import Celery, Task
from celery.utils.imports import symbol_by_name
from celery.worker.request import Request

from shared.aws.cloud import Cloud
from shared.aws.names import CELERY, CELERY_VISIBILITY
from shared.observability.log import Log
from shared.run.firing import Firing
from workers import delivery
from workers.delivery import InProgress

NAME = "nightshift.run"
QUEUE = "nightshift"
DEFAULTS: dict[str, Any] = {
    "task_default_queue": QUEUE,
    "worker_prefetch_multiplier": 1,
    "broker_connection_retry_on_startup": True,
    "broker_transport_options": {"visibility_timeout": CELERY_VISIBILITY},
}


# Read at import: a worker without a deployment must not start.
NAMES = delivery.names()


def _app() -> Celery:
    own_app = os.environ.get("NIGHTSHIFT_CELERY_APP")
    if own_app:
        found: Celery = symbol_by_name(own_app)
        return found
    module = os.environ.get("CELERY_CONFIG_MODULE")
    config = vars(importlib.import_module(module)) if module else {}
    broker = {} if "broker_url" in config or os.environ.get("CELERY_BROKER_URL") else _default_broker()
    app = Celery("nightshift", set_as_current=False)
    app.config_from_object(DEFAULTS | broker | {name: value for name, value in config.items() if name[0] != "_"})
    return app


def _default_broker() -> dict[str, Any]:
    """Return the settings for the deployment's own queue.

    Celery creates no further queues, and no remote control.
    """
    queue = {QUEUE: {"url": NAMES.queue_url(CELERY)}}
    options = {"region": NAMES.region, "visibility_timeout": CELERY_VISIBILITY, "predefined_queues": queue}
    # Seconds: the long poll of SQS, and the interval of checks for a free process.
    options |= {"wait_time_seconds": 20, "polling_interval": 0.1}
    return {"broker_url": "sqs://", "broker_transport_options": options, "worker_enable_remote_control": False}


app = _app()


class CeleryDelivery(Request):
    """A task in the worker's main process.

    It also sees that the process that ran the task has ended.
    """

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:
        # Before Celery acknowledges it: a crash between the two lets it be delivered again.
        body, request = self.args
        delivery.interrupted(body, request or self.id, str(exc_info.exception), *_cloud_and_log(os.getpid()))
        super().on_failure(exc_info, send_failed_event, return_ok)


@app.task(name=NAME, bind=True, shared=False, Request=CeleryDelivery, acks_late=True, ignore_result=True)
def run(task: Task[Any, Any], body: Any, request: str = "") -> None:
    """Run one delivery.

    request: of the first delivery, where this one was deferred.

    Retries are sent by the run itself, not by Celery.
    """
    request = request or task.request.id or ""
    outcome = delivery.deliver(body, request, *_cloud_and_log(os.getpid()))
    if isinstance(outcome, InProgress):
        _send(body, request, outcome.seconds)


def send(firing: Firing, delay: int) -> None:
    """Send a firing to Celery, due in `delay` seconds."""
    _send({"firing": firing.data()}, "", delay)


def _send(body: Any, request: str, delay: int) -> None:
    app.send_task(NAME, (body, request), countdown=delay or None, queue=QUEUE)


@cache
def _cloud_and_log(_pid: int) -> tuple[Cloud, Log]:
    # Per process: connections made before a fork must not be shared.
    return Cloud(NAMES), Log()
