"""One delivery of a firing by a broker that delivers at least once: run, put off, or counted as a death."""

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

# Whatever has been put in place of sys.stderr.
STDERR = 2
EARLIER = "its worker died; the broker delivered the firing again"


def names() -> Names:
    """Of the deployment that this environment is of. Raises SettingError where it does not say."""
    missing = [name for name in ("NIGHTSHIFT_STAGE", "NIGHTSHIFT_ACCOUNT", "AWS_REGION") if not os.environ.get(name)]
    if missing:
        raise SettingError(f"{', '.join(missing)} not set: say whose jobs are run; see docs/howto/workers.md")
    return Names.from_environment()


@dataclass(frozen=True, slots=True)
class InProgress:
    """An earlier delivery of this message may still be at work: bring it back, under the same request, in `seconds`."""

    seconds: int


def read(cloud: Cloud, body: Any) -> tuple[Job, Firing] | None:
    """What a message, `{"firing": ...}`, asks for. None, and a dead letter, where nobody can run that."""
    name = "unknown"
    try:
        if not isinstance(body, Mapping) or "firing" not in body:
            raise MalformedEvent(f"no firing, but {body!r:.120}")
        firing = parse_firing(body["firing"], cloud.clock.now())
        name = firing.job
        return _found(name), firing
    except (MalformedEvent, UnknownJob) as error:
        send.send_dead_letter_for_event(cloud, name, "rejected", error.args[0], body)
        return None


def deliver(
    body: Any, request: str, cloud: Cloud, log: Log, *, first: bool = False, watched: bool = False
) -> RunReport | InProgress | None:
    """Run it, in the main thread of a process that may be ended. None where there was nothing (more) to run.

    request: the message's own name, the same at each of its deliveries. first: it cannot have been delivered before,
    which saves a read. watched: somebody else ends this process at the job's timeout.
    """
    asked = read(cloud, body)
    if asked is None:
        return None
    job, firing = asked
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(f"{job.name} needs a process to itself, so that its timeout can end it; this is a thread")
    if not first:
        found = lost_runs.claim_item(cloud, manifest.of([job])[job.name], firing.target)
        if found.get("invocation") == request:
            left = found["lease_until"] - clock.milliseconds(cloud.clock.now()) if "holder" in found else 0
            if left > 0:
                return InProgress(ceil(left / 1000) + 1)
            died(body, request, EARLIER, cloud, log)
            return None
    if watched:
        return run(job, firing, cloud, log, request)
    with _watchdog(job):
        return run(job, firing, cloud, log, request)


def died(body: Any, request: str, note: str, cloud: Cloud, log: Log) -> None:
    """Its process ended before the run did: send the next attempt the way this one came, or a dead letter."""
    asked = read(cloud, body)
    if asked is None:
        return
    job, firing = asked
    onward = lost_runs.next_attempt(cloud, log, job.name, manifest.of([job])[job.name], firing, request, note)
    if onward is not None:
        send.send(cloud, onward, job.retry.jittered(firing.attempt) or 0)


def hand_back(body: Any, request: str, note: str, cloud: Cloud, log: Log) -> None:
    """Its worker was told to stop before the run ended: the same attempt again, soon, by another worker."""
    asked = read(cloud, body)
    if asked is None:
        return
    job, firing = asked
    if firing.manual or not send.may_defer(job, firing):
        # A request by hand is served once an attempt; its marker would refuse the same one again.
        died(body, request, note, cloud, log)
    elif lost_runs.record_interrupted(cloud, log, job.name, manifest.of([job])[job.name], firing, request, note):
        send.send(cloud, firing.deferred())


@contextmanager
def _watchdog(job: Job) -> Iterator[None]:
    # A thread without the interpreter: it ends the process also where a call into C holds everything else up.
    faulthandler.dump_traceback_later(job.timeout, exit=True, file=STDERR)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@cache
def known() -> dict[str, Job]:
    """Every job. Their code does not change while a process lasts."""
    return registry.jobs()


def _found(name: str) -> Job:
    jobs = known()
    if name not in jobs:
        raise UnknownJob(name, list(jobs))
    # As it stands now: a worker takes on the settings of the function that it works in place of.
    job, stands = jobs[name], configured(jobs[name].declared, os.environ)
    return job if type(job) is stands else stands()
