"""Heartbeats: pings to an external monitor, in the format of Healthchecks.io.

A ping never fails a run, and delays its end by two seconds at most.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from shared.job.outcome import Outcome
    from shared.observability.log import Log

# Limit in seconds for each ping, and for the wait for the pings at the end of a run.
TIMEOUT_SECONDS = 2.0


def ping_url(url: str, signal: str) -> str:
    """The URL of a ping.

    signal: `start`, `fail`, or empty for success. It becomes the last segment of the path.
    """
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    return urlunsplit(parts._replace(path=f"{path}/{signal}" if signal else path))


class Heartbeat:
    """The pings of one run, sent in order by a thread.

    Name resolution has no timeout of its own.
    """

    def __init__(self, url: str, log: Log, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = url.strip()
        self.log = log
        self.timeout_seconds = timeout_seconds
        self._signals: SimpleQueue[str | None] = SimpleQueue()
        # A daemon thread: a ping that hangs must not delay the end of the process.
        self._thread = threading.Thread(target=self._send_all, name="heartbeat", daemon=True)
        self._thread.start()

    def start(self) -> None:
        self._signals.put("start")

    def end(self, outcome: Outcome) -> None:
        self._signals.put("" if outcome.ok else "fail")
        self._signals.put(None)
        self._thread.join(self.timeout_seconds)

    def _send_all(self) -> None:
        while (signal := self._signals.get()) is not None:
            try:
                self._ping(signal)
            except Exception as error:  # noqa: BLE001 - no error of the monitor is one of the run
                # Without URL and message: the URL is a secret, with which others could ping too.
                self.log.warning("heartbeat_failed", ping=signal or "ok", error=type(error).__name__)

    def _ping(self, signal: str) -> None:
        from urllib3 import PoolManager, Timeout

        timeout = Timeout(total=self.timeout_seconds)
        with PoolManager(retries=False) as pool:
            # GET, without details of a failure.
            answer = pool.request(
                "GET", ping_url(self.url, signal), timeout=timeout, redirect=False, preload_content=False
            )
            answer.close()
        if not 200 <= answer.status < 300:
            self.log.warning("heartbeat_failed", ping=signal or "ok", error=f"status {answer.status}")
