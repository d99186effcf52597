"""Fan-out by lane, and the semaphore: a slow item takes no more than its share, and blocks no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from shared.concurrency import MAX_WIDTHS, WINDOW, LaneFull, Overdue, TimedSemaphore, fan_out_by_lane


def go(work: Callable[[str], Any], items: Iterable[str], **rest: Any) -> Iterable[tuple[str, Any]]:
    given = {"lane": lambda item: item[0], "width": 4, "share": 1, "patience": 5.0, "remaining": lambda: 60.0, **rest}
    return fan_out_by_lane(work, items, **given)


def test_an_exception_is_the_result_of_its_item() -> None:
    def work(item: str) -> str:
        if item == "b1":
            raise ValueError(item)
        return item.upper()

    ended = dict(go(work, ["a1", "b1", "c1"]))
    assert (ended["a1"], ended["c1"], type(ended["b1"])) == ("A1", "C1", ValueError)


def test_a_full_lane_is_processed_in_order_while_other_lanes_proceed() -> None:
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


def test_a_slow_item_is_not_counted_against_the_width() -> None:
    gate = threading.Event()
    began = time.monotonic()
    ended = [item for item, _ in go(lambda item: gate.wait(5) if item == "a" else gate.set(), ["a", "b"], width=1)]
    assert sorted(ended) == ["a", "b"]
    assert time.monotonic() - began < 3


def test_slow_items_included_there_are_at_most_max_widths_threads() -> None:
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
    assert most == MAX_WIDTHS


def test_an_item_that_hangs_is_overdue() -> None:
    gate = threading.Event()
    began = time.monotonic()
    ended = dict(go(lambda item: gate.wait(5) if item == "a" else None, ["a", "b"], patience=0.3))
    assert isinstance(ended["a"], Overdue)
    assert ended["b"] is None
    assert time.monotonic() - began < 2
    gate.set()


def test_no_item_starts_without_time_for_it() -> None:
    left = iter([60.0, 4.0])
    assert [item for item, _ in go(str, ["a", "b"], width=1, remaining=lambda: next(left, 4.0))] == ["a"]


def test_items_are_taken_from_the_source_as_they_are_needed() -> None:
    taken = 0

    def items() -> Iterable[str]:
        nonlocal taken
        for number in range(WINDOW * 3):
            taken += 1
            yield f"a{number}"

    found = iter(go(str, items()))
    next(iter(found))
    assert taken <= WINDOW + 4


def test_lanes_with_waiting_items_are_served_in_turn() -> None:
    gate, begun = threading.Event(), list[str]()

    def work(item: str) -> None:
        begun.append(item)
        if item == "a0":
            # Until all others wait for a thread.
            gate.wait(5)

    def items() -> Iterable[str]:
        yield from ("a0", "a1", "a2", "a3", "b1", "b2", "c1")
        gate.set()

    list(go(work, items(), width=1, share=1))
    assert sorted(begun) == ["a0", "a1", "a2", "a3", "b1", "b2", "c1"]
    assert begun.index("c1") < begun.index("a3")
    assert begun.index("b1") < begun.index("a2")


def test_600_items_of_a_slow_lane_do_not_keep_another_from_its_start() -> None:
    gate, good = threading.Event(), list[str]()

    def work(item: str) -> None:
        if item[0] == "b":
            good.append(item)
            if len(good) == 5:
                gate.set()
        else:
            assert gate.wait(10), "the other lane did not start"

    items = [*(f"a{number}" for number in range(600)), *(f"b{number}" for number in range(5))]
    ended = list(go(work, items))
    left_out = [item for item, result in ended if isinstance(result, LaneFull)]
    assert len(ended) == 605
    assert [result for _, result in ended if result is not None and not isinstance(result, LaneFull)] == []
    # Those at the end of the longest lane.
    assert 0 < len(left_out) <= 605 - WINDOW
    assert {item[0] for item in left_out} == {"a"}


def test_the_longest_lane_gives_way_to_all_others() -> None:
    """Two long lanes share the window; a short one loses nothing."""
    gate, begun = threading.Event(), list[str]()

    def work(item: str) -> None:
        begun.append(item)
        assert gate.wait(10)

    def items() -> Iterable[str]:
        yield from (f"a{number}" for number in range(WINDOW))
        yield from (f"b{number}" for number in range(WINDOW))
        yield from ("c1", "c2")
        gate.set()

    ended = dict(go(work, items()))
    left_out = [item[0] for item, result in ended.items() if isinstance(result, LaneFull)]
    assert abs(left_out.count("a") - left_out.count("b")) <= 2
    assert {"c1", "c2"} <= set(begun)


def test_a_slow_holder_frees_its_place() -> None:
    semaphore = TimedSemaphore(1, 0.1)
    held, gate = threading.Event(), threading.Event()

    def hold() -> None:
        with semaphore.hold():
            held.set()
            gate.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(5)
    began = time.monotonic()
    with semaphore.hold():
        took = time.monotonic() - began
    gate.set()
    holder.join()
    assert took < 2


@pytest.mark.parametrize("width", [1, 3])
def test_at_most_width_holders_at_once(width: int) -> None:
    semaphore, now, most, lock = TimedSemaphore(width, 60), 0, 0, threading.Lock()
    full = threading.Barrier(width)

    def hold() -> None:
        nonlocal now, most
        with semaphore.hold():
            with lock:
                now, most = now + 1, max(most, now + 1)
            full.wait(30)
            # Time in which one item too many would start.
            time.sleep(0.02)
            with lock:
                now -= 1

    holders = [threading.Thread(target=hold) for _ in range(3 * width)]
    for holder in holders:
        holder.start()
    for holder in holders:
        holder.join()
    assert most == width
