"""Lambda handler of all jobs.

The job and its clients are created at init, then each event is passed to its run.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from shared.aws.cloud import Cloud
from shared.dead_letters.subject import Subject
from shared.job import registry
from shared.job.definition import Job
from shared.job.setting import SettingError
from shared.messages import run_batch
from shared.observability.log import Log
from shared.run import firing, send
from shared.run.firing import Batch, MalformedEvent
from shared.run.run import run


def _initialize() -> tuple[Job, str, Cloud]:
    # Objects of the init live as long as the process: garbage collection during init is a tenth of a cold start, and
    # frozen objects are left out of every later collection.
    gc.disable()
    try:
        cloud = Cloud()
        cloud.dynamodb  # noqa: B018 - every run needs it
        return *_job(os.environ["NIGHTSHIFT_JOB"]), cloud
    finally:
        gc.freeze()
        gc.enable()


def _job(path: str) -> tuple[Job, str]:
    """Load the job, and the error in its settings.

    With an error the job has its declared values.
    """
    try:
        return registry.load(path), ""
    except SettingError as error:
        # A deployment refuses such a value, so the function was edited by hand. The declared values are safe; failing
        # at init would lose every tick.
        return registry.load(path, {}), str(error)


JOB, SETTING_ERROR, CLOUD = _initialize()
LOG = Log(time=CLOUD.clock, job=JOB.name)
if SETTING_ERROR:
    LOG.error(f"{JOB.name}_setting_unreadable", error=SETTING_ERROR, note="the job runs with its declared values")
# Seconds to wait for a thread that a run has left.
JOIN_SECONDS = 2.0
INIT_THREADS = set(threading.enumerate())


def handle(event: Any, context: Any) -> Mapping[str, Any]:
    try:
        fired = firing.parse(JOB.name, event, CLOUD.clock.now())
    except MalformedEvent as error:
        LOG.error(f"{JOB.name}_failed", status="rejected", error=str(error))
        LOG.metric(JOB.name, {"Failed": 1})
        subject = Subject(version=send.code_version(CLOUD))
        send.send_dead_letter_for_event(CLOUD, JOB.name, "malformed event", str(error), event, subject=subject)
        return {"outcome": "rejected", "note": str(error)}
    seconds = context.get_remaining_time_in_millis() / 1000
    if isinstance(fired, Batch):
        failures = run_batch.run_batch(JOB, fired, CLOUD, LOG, seconds)
        _exit_if_threads_live(context)
        return {"batchItemFailures": [{"itemIdentifier": failure} for failure in failures]}
    report = run(JOB, fired, CLOUD, LOG, context.aws_request_id, seconds)
    _exit_if_threads_live(context)
    return asdict(report)


def _exit_if_threads_live(context: Any) -> None:
    """Wait for threads that the run left, or exit.

    A thread that still runs is frozen with the sandbox and continues in the next invocation, during another run. It
    may be a daemon: those are left behind by a sweep whose item has no end.
    """
    until = time.monotonic() + min(JOIN_SECONDS, max(0.0, context.get_remaining_time_in_millis() / 1000 - 1))
    left = set(threading.enumerate()) - INIT_THREADS
    for thread in left:
        thread.join(max(0.0, until - time.monotonic()))
    alive = [thread.name for thread in left if thread.is_alive()]
    if alive:
        # Everything is written by now. The exit makes Lambda report the invocation as failed: dispatch then finds the
        # run finished and does nothing, and the messages of a batch are delivered again and recognised as handled.
        LOG.error(f"{JOB.name}_threads_left", threads=sorted(alive))
        os._exit(0)
