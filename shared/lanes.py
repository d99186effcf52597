"""Slow things side by side, in lanes: one that is slow takes no more than its share, and holds up no other."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from shared.concurrency import Overdue

Item = TypeVar("Item")
Result = TypeVar("Result")

# Seconds, and how many times the width.
SLOW = 0.25
MOST = 4
# Items that are looked at for one whose lane is free; memory is bounded by it.
WINDOW = 500


def in_lanes(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    lane: Callable[[Item], str],
    width: int,
    share: int,
    patience: float,
    remaining: Callable[[], float],
) -> Iterator[tuple[Item, Result | BaseException]]:
    """Call `work` on items in threads, `width` at once and `share` of one lane; items of the lane "" have no share.

    One that takes longer than SLOW does not count any more, until there are MOST times as many: whoever is waited for
    holds up nobody. Items are taken as they are needed, and start in their order but for those whose lane is full.
    Yields each with its result or with what it raised, as they end. No item starts that could not end within
    `remaining()` seconds; those are not yielded. patience: seconds that one may take; one that takes longer is yielded
    as Overdue, and its thread left behind.
    """
    finished: SimpleQueue[tuple[int, Result | BaseException]] = SimpleQueue()
    running: dict[int, tuple[Item, str, float]] = {}
    queue = _Queue(items, lane, share)

    def attend(number: int, item: Item) -> None:
        try:
            finished.put((number, work(item)))
        except BaseException as error:  # noqa: BLE001 - whatever one item raises is its own result
            finished.put((number, error))

    while True:
        while _room(running, width, patience) and remaining() > patience and (chosen := queue.take()):
            number, item, name = chosen
            running[number] = item, name, time.monotonic() + patience
            # A thread each and no pool: one that hangs must not keep its place.
            threading.Thread(target=attend, args=(number, item), name=f"lane-{number}", daemon=True).start()
        if not running:
            return
        eldest, (_, _, until) = next(iter(running.items()))
        wait = min(until - time.monotonic(), _young(running.values(), patience)[1])
        try:
            ended, result = finished.get(timeout=max(0.0, wait))
        except Empty:
            if time.monotonic() < until:
                continue
            ended, result = eldest, Overdue(f"no end within {patience:.0f} s")
        if ended in running:
            item, name, _ = running.pop(ended)
            queue.leave(name)
            yield item, result


def _room(running: Mapping[int, tuple[Any, str, float]], width: int, patience: float) -> bool:
    return len(running) < width * MOST and _young(running.values(), patience)[0] < width


def _young(running: Iterable[tuple[Any, str, float]], patience: float) -> tuple[int, float]:
    """How many have not taken long yet, and the seconds until the first of them has."""
    now = time.monotonic()
    left = [until - patience + SLOW - now for _, _, until in running]
    young = [seconds for seconds in left if seconds > 0]
    return len(young), min(young, default=inf)


class _Queue(Generic[Item]):
    """What has not begun, and how busy each lane is."""

    def __init__(self, items: Iterable[Item], lane: Callable[[Item], str], share: int) -> None:
        self.source = enumerate(items)
        self.lane = lane
        self.share = share
        self.waiting: list[tuple[int, Item, str]] = []
        self.busy: Counter[str] = Counter()

    def take(self) -> tuple[int, Item, str] | None:
        """The first whose lane has room."""
        for place, (_, _, name) in enumerate(self.waiting):
            if self._enter(name):
                return self.waiting.pop(place)
        while len(self.waiting) < WINDOW and (new := next(self.source, None)) is not None:
            number, item = new
            name = self.lane(item)
            if self._enter(name):
                return number, item, name
            self.waiting.append((number, item, name))
        return None

    def leave(self, name: str) -> None:
        self.busy[name] -= 1

    def _enter(self, name: str) -> bool:
        if name and self.busy[name] >= self.share:
            return False
        self.busy[name] += 1
        return True
