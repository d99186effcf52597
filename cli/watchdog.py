"""Watchdog: end this process at a run's timeout; record lost runs."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType

from cli import output
from cli.exit_codes import Exit
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.job.definition import Job
from shared.observability.log import Log
from shared.run import lost_runs
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run

# Recording the end takes a few calls; if they hang too, the interpreter's own watchdog ends the process after this.
RECORD_SECONDS = 15


class Terminated(KeyboardInterrupt):
    """SIGTERM: crond or a hosting panel ends processes that run too long."""


class Watchdog:
    """Expires `job.timeout` seconds after the block was entered, as Lambda does."""

    def __init__(
        self, cloud: Cloud, job: Job, firing: Firing, log: Log, end: Callable[[int], object] = os._exit
    ) -> None:
        self.cloud = cloud
        self.log = log
        self.job = job
        self.firing = firing
        self.end = end
        #: The nonce that marks a claim as one of this process.
        self.request = f"cli-{uuid.uuid4()}"
        self.timer = threading.Timer(job.timeout, self.expire)
        self.timer.daemon = True

    def __enter__(self) -> Watchdog:
        self.timer.start()
        with suppress(AttributeError, ValueError, OSError):
            # Also works while a call into C holds the interpreter's lock, when no Python thread can run.
            faulthandler.dump_traceback_later(self.job.timeout + RECORD_SECONDS, exit=True, file=sys.stderr)
        self.before = signal.signal(signal.SIGTERM, _terminate) if _is_main_thread() else None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.timer.cancel()
        faulthandler.cancel_dump_traceback_later()
        if self.before is not None:
            signal.signal(signal.SIGTERM, self.before)
        if isinstance(error, KeyboardInterrupt):
            self.mark_lost("ended by SIGTERM" if isinstance(error, Terminated) else "interrupted at the keyboard")

    def expire(self) -> None:
        note = f"ended by the watchdog at its timeout of {self.job.timeout} s"
        try:
            self.mark_lost(note)
        finally:
            output.notice(f"{self.job.name} {note}")
            self.end(Exit.FAILED)

    def mark_lost(self, note: str) -> None:
        """Release the run's lease and record it as lost.

        Does nothing unless this process holds the claim.
        """
        entry = manifest.of([self.job])[self.job.name]
        item = lost_runs.claim_item(self.cloud, entry, self.firing.target)
        if "holder" in item and item.get("invocation") == self.request:
            lost_runs.mark_lost(self.cloud, self.log, self.job.name, entry, item, note, self.firing)


def run_watched(job: Job, firing: Firing, cloud: Cloud, log: Callable[[str], None]) -> RunReport:
    """Run the job in this process under a watchdog.

    log: called with each line of its log.
    """
    lines = Log(log, cloud.clock)
    with Watchdog(cloud, job, firing, lines) as watchdog:
        return run(job, firing, cloud, lines, watchdog.request)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
