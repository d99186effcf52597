"""What Lambda calls: the job and its clients are made at init, where time is cheap; then each event goes to run."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from shared.aws.cloud import Cloud
from shared.job import registry
from shared.job.definition import Job
from shared.job.setting import SettingError
from shared.messages import run_batch
from shared.observability.log import Log
from shared.run import firing, send
from shared.run.firing import Batch, MalformedEvent
from shared.run.run import run


def _awake() -> tuple[Job, str, Cloud]:
    # What init makes stays for the sandbox's life: looking for garbage meanwhile is a tenth of a cold start, and
    # looking through it again is a cost of every later collection.
    gc.disable()
    try:
        cloud = Cloud()
        cloud.dynamodb  # noqa: B018 - every run needs it
        return *_job(os.environ["NIGHTSHIFT_JOB"]), cloud
    finally:
        gc.freeze()
        gc.enable()


def _job(path: str) -> tuple[Job, str]:
    """And what is wrong with its settings; then it is as declared."""
    try:
        return registry.load(path), ""
    except SettingError as error:
        # No deployment lets such a value through: somebody has edited the function. What its author wrote is safe to
        # run by, and ticks that die in their init are not.
        return registry.load(path, {}), str(error)


JOB, FAULT, CLOUD = _awake()
LOG = Log(time=CLOUD.clock, job=JOB.name)
if FAULT:
    LOG.error(f"{JOB.name}_setting_unreadable", error=FAULT, note="it runs as declared")
OURS = set(threading.enumerate())


def handle(received: Any, context: Any) -> Mapping[str, Any]:
    try:
        fired = firing.parse(JOB.name, received, CLOUD.clock.now())
    except MalformedEvent as error:
        LOG.error(f"{JOB.name}_failed", status="rejected", error=str(error))
        LOG.metric(JOB.name, {"Failed": 1})
        send.send_dead_letter_for_event(CLOUD, JOB.name, "malformed event", str(error), received)
        return {"outcome": "rejected", "note": str(error)}
    seconds = context.get_remaining_time_in_millis() / 1000
    if isinstance(fired, Batch):
        failures = run_batch.run_batch(JOB, fired, CLOUD, LOG, seconds)
        return {"batchItemFailures": [{"itemIdentifier": failure} for failure in failures]}
    report = run(JOB, fired, CLOUD, LOG, context.aws_request_id, seconds)
    _leave_if_haunted()
    return asdict(report)


def _leave_if_haunted() -> None:
    # A thread that is still at work freezes with the sandbox and thaws in the next invocation, in another run's time.
    # Everything is written by now, so this death has no consequence: dispatch finds the run finished.
    if any(thread.is_alive() and not thread.daemon for thread in set(threading.enumerate()) - OURS):
        os._exit(0)
