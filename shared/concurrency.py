"""Bounded concurrency in threads: fan-out, fan-out by lane, and a semaphore.

A hanging item blocks none of them.

                   limits                                    an item that is slow              an item that hangs
fan_out            `width` threads at once                   keeps its place                   Overdue after `patience`
fan_out_by_lane    as above, and `share` threads of a lane   is not counted after SLOW_AFTER   Overdue after `patience`
TimedSemaphore     `width` holders at once                   is not counted after `slow`       is not counted

Use fan_out for a short list of equal items (probes of hosts), fan_out_by_lane for a queue whose items share resources
(deliveries, with a lane for each receiver), and TimedSemaphore for a step within items that run in threads already.

Each item has a thread of its own, no pool: an item that hangs would occupy its place in a pool for ever, and nothing
bounds the resolution of a host name. A thread that is Overdue is left behind, and its late result is dropped.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import inf
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Seconds after which an item is not counted against the width.
SLOW_AFTER = 0.25
# Limit of all threads of fan_out_by_lane, slow ones included, as a multiple of the width.
MAX_WIDTHS = 4
# Items that wait for their lane at once; bounds the memory. Of more, the longest lane's last one is left out.
WINDOW = 500


class Overdue(Exception):
    """An item took longer than its patience.

    Its thread is left behind, and its late result dropped.
    """


class LaneFull(Exception, Generic[Item]):
    """Too many items wait for their lane; this one did not start."""

    def __init__(self, item: Item) -> None:
        super().__init__(f"more than {WINDOW} items wait, most of them for the same lane")
        self.item = item


def fan_out(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    width: int,
    patience: float,
    remaining: Callable[[], float],
) -> Iterator[tuple[Item, Result | Exception]]:
    """Call `work` on items in threads, `width` at once.

    Yields each item with its result or its exception. Items start in order and finish in any. patience: seconds that
    one item may take; after them it is yielded as Overdue. An item starts only while `remaining()` seconds suffice for
    it; the items that did not start are not yielded, and are the tail of `items`.
    """
    finished: SimpleQueue[tuple[int, Result | Exception]] = SimpleQueue()
    waiting = deque(enumerate(items))
    running: dict[int, tuple[Item, float]] = {}

    def perform(number: int, item: Item) -> None:
        try:
            finished.put((number, work(item)))
        except Exception as error:  # noqa: BLE001 - an exception is the item's own result
            finished.put((number, error))

    while True:
        # The first round starts at any time: a run that starts nothing would be continued for ever.
        while waiting and len(running) < width and (waiting[0][0] < width or remaining() > patience):
            number, item = waiting.popleft()
            running[number] = item, time.monotonic() + patience
            threading.Thread(target=perform, args=(number, item), name=f"fan-out-{number}").start()
        if not running:
            return
        oldest, (item, until) = next(iter(running.items()))
        try:
            number, result = finished.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            del running[oldest]
            yield item, Overdue(f"no end within {patience:.0f} s")
            continue
        if number in running:
            yield running.pop(number)[0], result


def fan_out_by_lane(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    lane: Callable[[Item], str],
    width: int,
    share: int,
    patience: float,
    remaining: Callable[[], float],
) -> Iterator[tuple[Item, Result | BaseException]]:
    """Call `work` in `width` threads, at most `share` of one lane.

    Yields each item with its result. Items of the lane "" have no share. An item that runs longer than SLOW_AFTER is
    no longer counted, until there are MAX_WIDTHS times `width` threads. Items are taken from `items` as needed; those
    of one lane start in order, and lanes are served in turn. If more than WINDOW items wait, the last one of the
    longest lane is yielded as LaneFull. patience, remaining: as for fan_out, but no item starts without `remaining()`.
    """
    finished: SimpleQueue[tuple[int, Result | BaseException]] = SimpleQueue()
    running: dict[int, tuple[Item, str, float]] = {}
    queue = _LaneQueue(items, lane, share)

    def perform(number: int, item: Item) -> None:
        try:
            finished.put((number, work(item)))
        except BaseException as error:  # noqa: BLE001 - an exception is the item's own result
            finished.put((number, error))

    while True:
        while _has_room(running, width, patience) and remaining() > patience and (chosen := queue.take()):
            if isinstance(chosen, LaneFull):
                yield chosen.item, chosen
                continue
            number, item, name = chosen
            running[number] = item, name, time.monotonic() + patience
            threading.Thread(target=perform, args=(number, item), name=f"lane-{number}", daemon=True).start()
        if not running:
            return
        oldest, (_, _, until) = next(iter(running.items()))
        wait = min(until - time.monotonic(), _counted(running.values(), patience)[1])
        try:
            ended, result = finished.get(timeout=max(0.0, wait))
        except Empty:
            if time.monotonic() < until:
                continue
            ended, result = oldest, Overdue(f"no end within {patience:.0f} s")
        if ended in running:
            item, name, _ = running.pop(ended)
            queue.leave(name)
            yield item, result


def _has_room(running: Mapping[int, tuple[Any, str, float]], width: int, patience: float) -> bool:
    return len(running) < width * MAX_WIDTHS and _counted(running.values(), patience)[0] < width


def _counted(running: Iterable[tuple[Any, str, float]], patience: float) -> tuple[int, float]:
    """Number of items that are not slow yet.

    Also the seconds until the first of them is slow.
    """
    now = time.monotonic()
    left = [until - patience + SLOW_AFTER - now for _, _, until in running]
    fast = [seconds for seconds in left if seconds > 0]
    return len(fast), min(fast, default=inf)


class _LaneQueue(Generic[Item]):
    """Queue of items by lane, served round-robin.

    Items that have not started, and the number of running items of each lane.
    """

    def __init__(self, items: Iterable[Item], lane: Callable[[Item], str], share: int) -> None:
        self.source = enumerate(items)
        self.lane = lane
        self.share = share
        #: Waiting items by lane, the lane that was served longest ago first.
        self.waiting: dict[str, deque[tuple[int, Item]]] = {}
        self.size = 0
        self.busy: Counter[str] = Counter()

    def take(self) -> tuple[int, Item, str] | LaneFull[Item] | None:
        """Remove the next item whose lane has room; None without one.

        LaneFull is an item that is left out.
        """
        for name in self.waiting:
            if self._has_room(name):
                return self._serve(name)
        while (new := next(self.source, None)) is not None:
            number, item = new
            name = self.lane(item)
            if self._has_room(name):
                self.busy[name] += 1
                return number, item, name
            self.waiting.setdefault(name, deque()).append((number, item))
            self.size += 1
            if self.size > WINDOW:
                return LaneFull(self._drop_from_longest())
        return None

    def leave(self, name: str) -> None:
        """Free a place of a lane."""
        self.busy[name] -= 1

    def _has_room(self, name: str) -> bool:
        return not name or self.busy[name] < self.share

    def _serve(self, name: str) -> tuple[int, Item, str]:
        waiting = self.waiting.pop(name)
        number, item = waiting.popleft()
        self.size -= 1
        if waiting:
            # Behind the other lanes.
            self.waiting[name] = waiting
        self.busy[name] += 1
        return number, item, name

    def _drop_from_longest(self) -> Item:
        longest = max(self.waiting, key=lambda name: len(self.waiting[name]))
        _, item = self.waiting[longest].pop()
        self.size -= 1
        return item


class TimedSemaphore:
    """Semaphore that stops counting holders that run longer than `slow` seconds."""

    def __init__(self, width: int, slow: float) -> None:
        self.width = width
        self.slow = slow
        self._acquired: dict[object, float] = {}
        self._changed = threading.Condition()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold a place for the block.

        Waits until fewer than `width` holders are counted.
        """
        holder = object()
        with self._changed:
            while (wait := self._seconds_until_free()) > 0:
                self._changed.wait(wait)
            self._acquired[holder] = time.monotonic()
        try:
            yield
        finally:
            with self._changed:
                del self._acquired[holder]
                self._changed.notify()

    def _seconds_until_free(self) -> float:
        """Seconds until the first holder is slow; 0 with a free place."""
        now = time.monotonic()
        left = [acquired + self.slow - now for acquired in self._acquired.values() if acquired + self.slow > now]
        return min(left) if len(left) >= self.width else 0
