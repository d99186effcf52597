"""Heartbeats for somebody outside who notices when they stop: pings in the form of Healthchecks.io.

A ping never fails a run, and delays it by two seconds at the most, once.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from shared.job.outcome import Outcome
    from shared.observability.log import Log

# Seconds that the end of a run waits for its pings to be out, and that each of them may take.
PATIENCE = 2.0


def where(url: str, how: str) -> str:
    """The address of a ping: `how` is `start`, `fail`, or nothing for a good end. A query stays behind the path."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    return urlunsplit(parts._replace(path=f"{path}/{how}" if how else path))


class Heartbeat:
    """The pings of one run, sent in their order from a thread: nothing else bounds a name that does not resolve."""

    def __init__(self, url: str, log: Log, patience: float = PATIENCE) -> None:
        self.url = url.strip()
        self.log = log
        self.patience = patience
        self._due: SimpleQueue[str | None] = SimpleQueue()
        # A daemon, so that one that hangs keeps neither the process nor the sandbox from ending.
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def start(self) -> None:
        self._due.put("start")

    def end(self, outcome: Outcome) -> None:
        self._due.put("" if outcome.ok else "fail")
        self._due.put(None)
        self._thread.join(self.patience)

    def _beat(self) -> None:
        while (how := self._due.get()) is not None:
            try:
                self._ping(how)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with the watcher, the run is not
                # Neither address nor message: who knows the address can ping too.
                self.log.warning("heartbeat_failed", ping=how or "ok", error=type(error).__name__)

    def _ping(self, how: str) -> None:
        from urllib3 import PoolManager, Timeout

        timeout = Timeout(total=self.patience)
        with PoolManager(retries=False) as pool:
            # GET, without a word on what went wrong: that stays with us.
            answer = pool.request("GET", where(self.url, how), timeout=timeout, redirect=False, preload_content=False)
            answer.close()
        if not 200 <= answer.status < 300:
            self.log.warning("heartbeat_failed", ping=how or "ok", error=f"status {answer.status}")
