"""Fan-out: slow items run concurrently."""

from __future__ import annotations

import threading
import time
from math import inf

import pytest

from shared.concurrency import Overdue, fan_out
from shared.deadline import DeadlineExceeded, within


def forever() -> float:
    return inf


def test_every_item_comes_back_with_its_result() -> None:
    ends = dict(fan_out(lambda n: n * n, range(50), width=4, patience=5, remaining=forever))
    assert ends == {n: n * n for n in range(50)}


def test_no_more_run_at_once_than_the_width() -> None:
    lock, running, most = threading.Lock(), 0, 0
    full = threading.Barrier(3)

    def work(_: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        full.wait(30)
        # Time in which one item too many would start.
        time.sleep(0.01)
        with lock:
            running -= 1

    list(fan_out(work, range(21), width=3, patience=60, remaining=forever))
    assert most == 3


def test_what_an_item_raises_is_its_own_result() -> None:
    def work(n: int) -> int:
        if n == 2:
            raise ValueError("two")
        return n

    ends = dict(fan_out(work, range(4), width=2, patience=5, remaining=forever))
    assert isinstance(ends.pop(2), ValueError)
    assert ends == {0: 0, 1: 1, 3: 3}


def test_items_that_hang_keep_neither_their_places_nor_the_others() -> None:
    stop = threading.Event()

    def work(n: int) -> int:
        if n < 2:
            stop.wait(10)
        return n

    started = time.monotonic()
    ends = dict(fan_out(work, range(6), width=2, patience=0.2, remaining=forever))
    stop.set()
    assert time.monotonic() - started < 2
    assert [n for n, end in ends.items() if isinstance(end, Overdue)] == [0, 1]
    assert {n for n, end in ends.items() if end == n} == {2, 3, 4, 5}


def test_a_late_result_is_dropped() -> None:
    release, threads = threading.Event(), {}

    def work(n: int) -> int:
        threads[n] = threading.current_thread()
        if n == 0:
            release.wait(10)
        else:
            release.set()
            threads[0].join(10)
        return n

    ends = list(fan_out(work, range(2), width=1, patience=0.3, remaining=forever))
    assert isinstance(ends[0][1], Overdue)
    assert ends[1:] == [(1, 1)]


def test_nothing_starts_that_could_not_end_in_time() -> None:
    left = iter([10.0, 10.0, 1.0])
    ends = list(fan_out(lambda n: n, range(10), width=1, patience=5, remaining=lambda: next(left, 1.0)))
    assert [n for n, _ in ends] == [0, 1, 2]


def test_the_first_round_starts_whatever_the_time() -> None:
    ends = list(fan_out(lambda n: n, range(10), width=2, patience=5, remaining=lambda: 0.0))
    assert sorted(n for n, _ in ends) == [0, 1]


def test_a_deadline_gets_through_while_it_waits() -> None:
    stop = threading.Event()
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded), within(0.2):
        list(fan_out(lambda _: stop.wait(10), range(2), width=2, patience=9, remaining=forever))
    stop.set()
    assert time.monotonic() - started < 2
