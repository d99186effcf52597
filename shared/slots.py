"""So many at once, of those that do not take long: whoever is waited for makes room for the next."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Slots:
    """`with slots.one():` waits for a place among `width`. One that is held for longer than `slow` seconds is free."""

    def __init__(self, width: int, slow: float) -> None:
        self.width = width
        self.slow = slow
        self._begun: dict[object, float] = {}
        self._changed = threading.Condition()

    @contextmanager
    def one(self) -> Iterator[None]:
        mine = object()
        with self._changed:
            while (wait := self._wait()) > 0:
                self._changed.wait(wait)
            self._begun[mine] = time.monotonic()
        try:
            yield
        finally:
            with self._changed:
                del self._begun[mine]
                self._changed.notify()

    def _wait(self) -> float:
        """Seconds until the first of those that fill the places has taken long; 0 where there is room."""
        now = time.monotonic()
        left = [begun + self.slow - now for begun in self._begun.values() if begun + self.slow > now]
        return min(left) if len(left) >= self.width else 0
