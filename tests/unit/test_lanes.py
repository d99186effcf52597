"""Side by side, in lanes: what is slow takes its share, and whoever is waited for holds up nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from shared.concurrency import Overdue
from shared.lanes import MOST, WINDOW, in_lanes
from shared.slots import Slots


def go(work: Callable[[str], Any], items: Iterable[str], **rest: Any) -> Iterable[tuple[str, Any]]:
    given = {"lane": lambda item: item[0], "width": 4, "share": 1, "patience": 5.0, "remaining": lambda: 60.0, **rest}
    return in_lanes(work, items, **given)


def test_what_is_raised_is_that_items_own_result() -> None:
    def work(item: str) -> str:
        if item == "b1":
            raise ValueError(item)
        return item.upper()

    ended = dict(go(work, ["a1", "b1", "c1"]))
    assert (ended["a1"], ended["c1"], type(ended["b1"])) == ("A1", "C1", ValueError)


def test_a_lane_goes_one_by_one_in_its_order_and_the_others_go_by() -> None:
    gate, begun = threading.Event(), list[str]()

    def work(item: str) -> None:
        begun.append(item)
        if item == "a1":
            gate.wait(5)
        if item == "b3":
            gate.set()

    assert len(list(go(work, ["a1", "a2", "b1", "b2", "b3"]))) == 5
    assert begun.index("a2") > begun.index("b3")
    assert [item for item in begun if item[0] == "b"] == ["b1", "b2", "b3"]


def test_one_that_takes_long_makes_room_for_the_next() -> None:
    gate = threading.Event()
    began = time.monotonic()
    ended = [item for item, _ in go(lambda item: gate.wait(5) if item == "a" else gate.set(), ["a", "b"], width=1)]
    assert sorted(ended) == ["a", "b"]
    assert time.monotonic() - began < 3


def test_no_more_than_so_many_are_ever_waited_for() -> None:
    gate, now, most = threading.Event(), list[str](), 0
    lock = threading.Lock()

    def work(item: str) -> None:
        nonlocal most
        with lock:
            now.append(item)
            most = max(most, len(now))
        gate.wait(2)
        with lock:
            now.remove(item)

    threading.Timer(1.5, gate.set).start()
    assert len(list(go(work, [str(number) for number in range(9)], width=1, lane=lambda _: ""))) == 9
    assert most == MOST


def test_one_that_never_ends_is_left_behind() -> None:
    gate = threading.Event()
    began = time.monotonic()
    ended = dict(go(lambda item: gate.wait(5) if item == "a" else None, ["a", "b"], patience=0.3))
    assert isinstance(ended["a"], Overdue)
    assert ended["b"] is None
    assert time.monotonic() - began < 2
    gate.set()


def test_nothing_begins_that_could_not_end_in_time() -> None:
    left = iter([60.0, 4.0])
    assert [item for item, _ in go(str, ["a", "b"], width=1, remaining=lambda: next(left, 4.0))] == ["a"]


def test_items_are_taken_as_they_are_needed() -> None:
    taken = 0

    def items() -> Iterable[str]:
        nonlocal taken
        for number in range(WINDOW * 3):
            taken += 1
            yield f"a{number}"

    found = iter(go(str, items()))
    next(iter(found))
    assert taken <= WINDOW + 4


def test_a_slot_that_is_held_for_long_is_free() -> None:
    slots = Slots(1, 0.1)
    held, gate = threading.Event(), threading.Event()

    def hold() -> None:
        with slots.one():
            held.set()
            gate.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(5)
    began = time.monotonic()
    with slots.one():
        took = time.monotonic() - began
    gate.set()
    holder.join()
    assert took < 2


@pytest.mark.parametrize("width", [1, 3])
def test_no_more_hold_a_slot_at_once(width: int) -> None:
    slots, now, most, lock = Slots(width, 60), 0, 0, threading.Lock()
    full = threading.Barrier(width)

    def hold() -> None:
        nonlocal now, most
        with slots.one():
            with lock:
                now, most = now + 1, max(most, now + 1)
            full.wait(30)
            # Time for one too many.
            time.sleep(0.02)
            with lock:
                now -= 1

    holders = [threading.Thread(target=hold) for _ in range(3 * width)]
    for holder in holders:
        holder.start()
    for holder in holders:
        holder.join()
    assert most == width
