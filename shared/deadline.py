"""An inner deadline: the run ends its own work while there is still time to write down how it ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class DeadlineExceeded(BaseException):
    """Not an Exception, so that a job's own `except Exception` around one item cannot swallow it."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise DeadlineExceeded in the block when its time is up.

    Signals reach the main thread alone, which is where Lambda runs a handler; elsewhere the job's own look at
    `tick.remaining()` and the watchdog around the process are what there is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise DeadlineExceeded(f"the deadline of {seconds:.0f} s passed")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
