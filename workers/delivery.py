"""One delivery of a firing by an at-least-once broker.

Run it, defer it, or count a lost attempt.
"""

from __future__ import annotations

import faulthandler
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws.names import Names
from shared.job import manifest, registry
from shared.job.definition import Job
from shared.job.overrides import configured
from shared.job.registry import UnknownJob
from shared.job.setting import SettingError
from shared.run import lost_runs, send
from shared.run.firing import Firing, MalformedEvent, parse_firing
from shared.run.report import RunReport
from shared.run.run import run

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.observability.log import Log

# File descriptor, also where sys.stderr was replaced.
STDERR = 2
RETURNED = "ended with its worker, which was stopped; returned to the queue"
EARLIER = "its worker was interrupted; the broker delivered the firing again"


def names() -> Names:
    """Return the names of the deployment in the environment variables.

    Raises SettingError for missing ones.
    """
    missing = [name for name in ("NIGHTSHIFT_STAGE", "NIGHTSHIFT_ACCOUNT", "AWS_REGION") if not os.environ.get(name)]
    if missing:
        raise SettingError(
            f"{', '.join(missing)} not set: they name the deployment whose jobs are run; see docs/howto/workers.md"
        )
    return Names.from_environment()


@dataclass(frozen=True, slots=True)
class InProgress:
    """An earlier delivery of the message may still run.

    Deliver it again, with the same request.
    """

    #: Delay in seconds.
    seconds: int


def read(cloud: Cloud, body: Any) -> tuple[Job, Firing] | None:
    """Return job and firing of a message `{"firing": ...}`.

    An invalid one becomes a dead letter, and is None here.
    """
    name = "unknown"
    try:
        if not isinstance(body, Mapping) or "firing" not in body:
            raise MalformedEvent(f"no firing, but {body!r:.120}")
        firing = parse_firing(body["firing"], cloud.clock.now())
        name = firing.job
        return _job(name), firing
    except (MalformedEvent, UnknownJob) as error:
        send.send_dead_letter_for_event(cloud, name, "rejected", error.args[0], body)
        return None


def deliver(
    body: Any, request: str, cloud: Cloud, log: Log, *, first: bool = False, watched: bool = False
) -> RunReport | InProgress | None:
    """Run the firing. None where nothing is left to run.

    In the main thread of a process that may be killed.

    request: the message's id, the same at each delivery. first: it cannot have been delivered before, which saves a
    read. watched: another process kills this one at the job's timeout.
    """
    job_and_firing = read(cloud, body)
    if job_and_firing is None:
        return None
    job, firing = job_and_firing
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(f"{job.name} needs a process to itself, so that its timeout can end it; this is a thread")
    if send.deferred_again(cloud, firing):
        return None
    if not first:
        item = lost_runs.claim_item(cloud, manifest.of([job])[job.name], firing.target)
        if item.get("invocation") == request:
            left = item["lease_until"] - clock.milliseconds(cloud.clock.now()) if "holder" in item else 0
            if left > 0:
                return InProgress(ceil(left / 1000) + 1)
            interrupted(body, request, EARLIER, cloud, log)
            return None
    if watched:
        return run(job, firing, cloud, log, request)
    with _watchdog(job):
        return run(job, firing, cloud, log, request)


def interrupted(body: Any, request: str, note: str, cloud: Cloud, log: Log) -> None:
    """Record a run whose process ended first.

    Send the next attempt to the same broker, or a dead letter.
    """
    job_and_firing = read(cloud, body)
    if job_and_firing is None:
        return
    job, firing = job_and_firing
    following = lost_runs.next_attempt(cloud, log, job.name, manifest.of([job])[job.name], firing, request, note)
    if following is not None:
        send.send(cloud, following, job.retry.jittered(firing.attempt) or 0)


def return_to_queue(body: Any, request: str, note: str, cloud: Cloud, log: Log) -> None:
    """Send the same attempt again, for another worker.

    This one was stopped before the run ended.
    """
    job_and_firing = read(cloud, body)
    if job_and_firing is None:
        return
    job, firing = job_and_firing
    if firing.manual or not send.may_defer(job, firing):
        # A manual request is served once per attempt; its row would refuse the same attempt.
        interrupted(body, request, note, cloud, log)
        return
    # Also where no run is known: the worker was stopped before the claim.
    entry = manifest.of([job])[job.name]
    if lost_runs.record_interrupted(cloud, log, job.name, entry, firing, request, note) is not None:
        send.send(cloud, firing.deferred())


@contextmanager
def _watchdog(job: Job) -> Iterator[None]:
    # A thread outside of the interpreter: it ends the process also while a call into C blocks all others.
    faulthandler.dump_traceback_later(job.timeout, exit=True, file=STDERR)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@cache
def all_jobs() -> dict[str, Job]:
    """Return all jobs by name, loaded once per process."""
    return registry.discover().jobs


def _job(name: str) -> Job:
    jobs = all_jobs()
    name = registry.name_of(name, jobs)
    if name not in jobs:
        raise UnknownJob(name, list(jobs))
    # With the settings of the environment, as the function would have them.
    job, current = jobs[name], configured(jobs[name].declared, os.environ)
    return job if type(job) is current else current()
