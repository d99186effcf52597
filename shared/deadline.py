"""Deadline within a run, raised as an exception in the work.

It leaves time to record the outcome.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class DeadlineExceeded(BaseException):
    """The deadline passed.

    Not an Exception: a job's `except Exception` around one item must not catch it.
    """


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise DeadlineExceeded in the block after `seconds`.

    Signals reach only the main thread, in which Lambda runs a handler. In another thread nothing is raised; a run there
    ends by `run.remaining()` or by the watchdog of its process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise DeadlineExceeded(f"the deadline of {seconds:.0f} s passed")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
