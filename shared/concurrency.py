"""Slow things side by side, a few at a time: no one of them holds up the others, or the run."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Overdue(Exception):
    """An item took longer than the patience for one; its thread is left behind, and its late result dropped."""


def fan_out(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    width: int,
    patience: float,
    remaining: Callable[[], float],
) -> Iterator[tuple[Item, Result | Exception]]:
    """Call `work` on items in threads, `width` at once; yields each item with its result, or with what it raised.

    Items start in their order, and finish in any. patience: seconds that one may take. No item starts that could not
    end within `remaining()` seconds; what did not start is not yielded, and is the tail of `items`.
    """
    finished: SimpleQueue[tuple[int, Result | Exception]] = SimpleQueue()
    waiting = deque(enumerate(items))
    running: dict[int, tuple[Item, float]] = {}

    def attend(number: int, item: Item) -> None:
        try:
            finished.put((number, work(item)))
        except Exception as error:  # noqa: BLE001 - whatever one item raises is its own result
            finished.put((number, error))

    while True:
        # The first round starts whatever the time: a run that starts nothing would be continued for ever.
        while waiting and len(running) < width and (waiting[0][0] < width or remaining() > patience):
            number, item = waiting.popleft()
            running[number] = item, time.monotonic() + patience
            # A thread each and no pool: one that hangs must not keep its place. Nothing bounds a name's resolution.
            threading.Thread(target=attend, args=(number, item), name=f"fan-out-{number}").start()
        if not running:
            return
        eldest, (item, until) = next(iter(running.items()))
        try:
            number, result = finished.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            del running[eldest]
            yield item, Overdue(f"no end within {patience:.0f} s")
            continue
        if number in running:
            yield running.pop(number)[0], result
