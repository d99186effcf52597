"""Ends this process when a run outlives its timeout, or is told to stop, and writes down that it did."""

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
from shared.run import lost_runs
from shared.run.firing import Firing

# Writing down the end takes a few calls; where even that hangs, the interpreter's own watchdog ends the process.
LAST_WORDS = 15


class Terminated(KeyboardInterrupt):
    """SIGTERM: a crond or a hosting panel ends what runs too long for it."""


class Watchdog:
    """Bites `job.timeout` seconds after the block was entered: as Lambda would, whatever the job is stuck in.

    `request` is the nonce by which the run's claim is recognised as this process's own.
    """

    def __init__(self, cloud: Cloud, job: Job, firing: Firing, end: Callable[[int], object] = os._exit) -> None:
        self.cloud = cloud
        self.job = job
        self.firing = firing
        self.end = end
        self.request = f"cli-{uuid.uuid4()}"
        self.timer = threading.Timer(job.timeout, self.bite)
        self.timer.daemon = True

    def __enter__(self) -> Watchdog:
        self.timer.start()
        with suppress(AttributeError, ValueError, OSError):
            # Also where the interpreter's lock is held by a call into C, and no thread of ours can run.
            faulthandler.dump_traceback_later(self.job.timeout + LAST_WORDS, exit=True, file=sys.stderr)
        self.before = signal.signal(signal.SIGTERM, _terminate) if _main_thread() else None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.timer.cancel()
        faulthandler.cancel_dump_traceback_later()
        if self.before is not None:
            signal.signal(signal.SIGTERM, self.before)
        if isinstance(error, KeyboardInterrupt):
            self.bury("ended by SIGTERM" if isinstance(error, Terminated) else "interrupted at the keyboard")

    def bite(self) -> None:
        note = f"ended by the watchdog at its timeout of {self.job.timeout} s"
        try:
            self.bury(note)
        finally:
            output.say(f"{self.job.name} {note}")
            self.end(Exit.FAILED)

    def bury(self, note: str) -> None:
        """The run's lease off, its end in status and history. Nothing where it holds no claim (any more)."""
        entry = manifest.of([self.job])[self.job.name]
        found = lost_runs.claim_item(self.cloud, entry, self.firing.target)
        if "holder" in found and found.get("invocation") == self.request:
            lost_runs.mark_lost(self.cloud, self.job.name, entry, found, note, self.firing)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def _main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
