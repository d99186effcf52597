"""The deadline interrupts a block in time, and nothing outside of it."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress

import pytest

from shared.deadline import DeadlineExceeded, within


def wait_for_deadline(seconds: float) -> None:
    with within(seconds):
        threading.Event().wait(5)


def test_a_block_is_interrupted_when_its_time_is_up() -> None:
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        wait_for_deadline(0.05)
    assert time.monotonic() - began < 3


def test_a_job_that_catches_exceptions_does_not_catch_the_deadline() -> None:
    def catching() -> None:
        with suppress(Exception):
            wait_for_deadline(0.01)

    with pytest.raises(DeadlineExceeded):
        catching()


def test_no_time_left_interrupts_at_once() -> None:
    with pytest.raises(DeadlineExceeded):
        wait_for_deadline(-1)


def test_after_the_block_no_timer_is_left_and_the_handler_is_restored() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with within(60):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert signal.getsignal(signal.SIGALRM) is before


def test_no_timer_is_set_in_another_thread() -> None:
    timers: list[float] = []

    def block() -> None:
        with within(10_000):
            timers.append(signal.getitimer(signal.ITIMER_REAL)[0])

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    # The timer of pytest-timeout, which is shorter.
    assert timers < [1000]
