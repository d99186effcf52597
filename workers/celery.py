"""Jobs under Celery: `celery -A workers.celery worker -Q nightshift`, each in a process of its prefork pool.

CELERY_BROKER_URL says where, and CELERY_CONFIG_MODULE names a module with whatever else Celery can be told. To go with
an app of your own: NIGHTSHIFT_CELERY_APP=shop.celery:app, and `include=["workers.celery"]` there.
"""

from __future__ import annotations

import importlib
import os
from functools import cache
from typing import Any

from celery import Celery, Task
from celery.utils.imports import symbol_by_name
from celery.worker.request import Request

from shared.cloud import Cloud
from shared.event import Firing
from shared.log import Log
from workers import delivery
from workers.delivery import Held

NAME = "nightshift.run"
QUEUE = "nightshift"
DEFAULTS: dict[str, Any] = {
    "task_default_queue": QUEUE,
    "worker_prefetch_multiplier": 1,
    "broker_connection_retry_on_startup": True,
    # Longer than a retry may wait and its run may take: before that nobody else is given it.
    "broker_transport_options": {"visibility_timeout": 3600},
}


def _app() -> Celery:
    theirs = os.environ.get("NIGHTSHIFT_CELERY_APP")
    if theirs:
        found: Celery = symbol_by_name(theirs)
        return found
    named = os.environ.get("CELERY_CONFIG_MODULE")
    chosen = vars(importlib.import_module(named)) if named else {}
    ours = Celery("nightshift", set_as_current=False)
    ours.config_from_object({**DEFAULTS, **{name: value for name, value in chosen.items() if name[0] != "_"}})
    return ours


app = _app()


class Delivery(Request):
    """What the worker's main process knows of a task: also that the process which ran it is gone."""

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:
        # Before Celery acknowledges it: whoever dies in between leaves it to be delivered again.
        body, request = self.args
        delivery.died(body, request or self.id, str(exc_info.exception), *_here(os.getpid()))
        super().on_failure(exc_info, send_failed_event, return_ok)


@app.task(name=NAME, bind=True, Request=Delivery, acks_late=True, ignore_result=True)
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
    return Cloud(), Log()
