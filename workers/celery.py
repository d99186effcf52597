"""Jobs under Celery: `celery -A workers.celery worker -Q nightshift`, each in a process of its prefork pool.

The broker is the deployment's queue `celery`, or what CELERY_BROKER_URL says; CELERY_CONFIG_MODULE names a module with
whatever else Celery can be told. To go with an app of your own, NIGHTSHIFT_CELERY_APP=shop.celery:app, and have it
include "workers.celery".
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
from shared.aws.names import CELERY
from shared.observability.log import Log
from shared.run.firing import Firing
from workers import delivery
from workers.delivery import Held

NAME = "nightshift.run"
QUEUE = "nightshift"
# Longer than a retry may wait and its run may take: before that nobody else is given it.
HIDDEN = 3600
DEFAULTS: dict[str, Any] = {
    "task_default_queue": QUEUE,
    "worker_prefetch_multiplier": 1,
    "broker_connection_retry_on_startup": True,
    "broker_transport_options": {"visibility_timeout": HIDDEN},
}


# Asked for now: a worker that does not know where it is must not start.
NAMES = delivery.names()


def _app() -> Celery:
    theirs = os.environ.get("NIGHTSHIFT_CELERY_APP")
    if theirs:
        found: Celery = symbol_by_name(theirs)
        return found
    named = os.environ.get("CELERY_CONFIG_MODULE")
    chosen = vars(importlib.import_module(named)) if named else {}
    broker = {} if "broker_url" in chosen or os.environ.get("CELERY_BROKER_URL") else _ours()
    ours = Celery("nightshift", set_as_current=False)
    ours.config_from_object(DEFAULTS | broker | {name: value for name, value in chosen.items() if name[0] != "_"})
    return ours


def _ours() -> dict[str, Any]:
    """The deployment's own queue. Celery makes none beside it, so that it cannot be told anything from outside."""
    queue = {QUEUE: {"url": NAMES.queue_url(CELERY)}}
    options = {"region": NAMES.region, "visibility_timeout": HIDDEN, "predefined_queues": queue}
    # Seconds: so long SQS waits for a message, and so often is looked whether there is room for the next.
    options |= {"wait_time_seconds": 20, "polling_interval": 0.1}
    return {"broker_url": "sqs://", "broker_transport_options": options, "worker_enable_remote_control": False}


app = _app()


class Delivery(Request):
    """What the worker's main process knows of a task: also that the process which ran it is gone."""

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:
        # Before Celery acknowledges it: whoever dies in between leaves it to be delivered again.
        body, request = self.args
        delivery.died(body, request or self.id, str(exc_info.exception), *_here(os.getpid()))
        super().on_failure(exc_info, send_failed_event, return_ok)


@app.task(name=NAME, bind=True, shared=False, Request=Delivery, acks_late=True, ignore_result=True)
def run(task: Task[Any, Any], body: Any, request: str = "") -> None:
    """`request`: of the first delivery, where this one was put off. Retries are ours, not Celery's."""
    request = request or task.request.id or ""
    outcome = delivery.deliver(body, request, *_here(os.getpid()))
    if isinstance(outcome, Held):
        _send(body, request, outcome.seconds)


def send(firing: Firing, delay: int) -> None:
    _send({"firing": firing.data()}, "", delay)


def _send(body: Any, request: str, delay: int) -> None:
    app.send_task(NAME, (body, request), countdown=delay or None, queue=QUEUE)


@cache
def _here(_pid: int) -> tuple[Cloud, Log]:
    # By process: connections made before a fork cannot be shared by what comes out of it.
    return Cloud(NAMES), Log()
