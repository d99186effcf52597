"""Pool of warm sandboxes with one invocation at a time each.

Sandboxes are replaced when their function changes. An invocation waits here for its turn, which Lambda does not do:
this machine cannot start hundreds of processes at once. It takes a sandbox that becomes idle, or starts one while fewer
than STARTS are starting and fewer than PROCESSES are busy. Idle sandboxes of other functions are ended to make room.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from local.lambda_runtime.sandbox import Sandbox, SandboxSettings

IDLE_SECONDS = 300.0
# Cold starts at once: each needs a processor for its imports.
STARTS = max(2, os.cpu_count() or 1)
# Processes take about 45 MB each: 64 of them 3 GB.
PROCESSES = int(max(8, min(64, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (90 << 20))))
# Seconds after which a sandbox is not counted any more, starting or busy. So invocations that wait for each other, such
# as functions that invoke functions, cannot stop each other for ever.
SLOW_SECONDS = 20.0
# A change of any of these starts a new environment, as on AWS.
CODE = ("FunctionArn", "Version", "CodeSha256", "Handler", "Runtime", "Layers")
SETTINGS = ("Environment", "MemorySize", "Timeout", "LoggingConfig", "Role")


class Pool:
    def __init__(self, settings: SandboxSettings, *, starts: int = STARTS, processes: int = PROCESSES) -> None:
        self.settings = settings
        self.starts = starts
        self.limit = processes
        self._idle: dict[str, list[tuple[float, Sandbox]]] = {}
        #: Sandboxes by the time when they were lent.
        self._busy: dict[Sandbox, float] = {}
        self._starting: dict[Sandbox, float] = {}
        self._changed = threading.Condition()
        self.closed = False

    @contextlib.contextmanager
    def lent(
        self, config: Mapping[str, Any], code: bytes, layers: list[bytes], credentials: Mapping[str, str]
    ) -> Iterator[tuple[Sandbox, bool]]:
        """Lend a sandbox, and whether `start` must be called.

        Waits for one that is idle and alive, or for room to start one.
        """
        key = json.dumps([config.get(name) for name in (*CODE, *SETTINGS)])
        with self._changed:
            ended = self._take_stale(str(config["FunctionName"]), key)
            while not (warm := self._take_idle(key)) and (wait := self._seconds_until_room()) > 0:
                self._changed.wait(wait)
            sandbox = warm or Sandbox(self.settings, dict(config), code, layers, credentials)
            self._busy[sandbox] = time.monotonic()
            if not warm:
                self._starting[sandbox] = self._busy[sandbox]
                ended += self._evict()
        for old in ended:
            old.end()
        try:
            yield sandbox, not warm
        finally:
            with self._changed:
                self._starting.pop(sandbox, None)
                del self._busy[sandbox]
                if sandbox.alive:
                    self._idle.setdefault(key, []).append((time.monotonic(), sandbox))
                self._changed.notify_all()

    def start(self, sandbox: Sandbox) -> None:
        """Start its process, and let the next one start. Raises SandboxFailure."""
        sandbox.start()
        with self._changed:
            del self._starting[sandbox]
            self._changed.notify_all()

    def _refuse_if_closed(self) -> None:
        if self.closed:
            raise RuntimeError("the local cloud is stopping")

    def _take_idle(self, key: str) -> Sandbox | None:
        self._refuse_if_closed()
        idle = self._idle.get(key, [])
        entry = next((entry for entry in reversed(idle) if entry[1].alive), None)
        if entry:
            idle.remove(entry)
        return entry[1] if entry else None

    def _seconds_until_room(self) -> float:
        """Seconds until a running process is not counted any more.

        0 if a process may be started.
        """
        return max(_seconds_until_below(self._starting, self.starts), _seconds_until_below(self._busy, self.limit))

    def _evict(self) -> list[Sandbox]:
        """Remove idle sandboxes beyond the limit, the longest idle first."""
        idle = sorted((since, key) for key, entries in self._idle.items() for since, _ in entries)
        surplus = len(self._busy) + len(idle) - self.limit
        return [self._idle[key].pop(0)[1] for _, key in idle[: max(0, surplus)]]

    def processes(self, name: str | None = None) -> list[dict[str, Any]]:
        """Live processes: function, arn, pid, request id (null if idle), peak MB."""
        with self._changed:
            sandboxes = [*self._busy, *(sandbox for idle in self._idle.values() for _, sandbox in idle)]
        return [
            {
                "function": one.name,
                "arn": one.config["FunctionArn"],
                "pid": one.pid,
                "request_id": one.request_id,
                "peak_mb": one.peak_mb,
            }
            for one in sandboxes
            if one.alive and name in (None, one.name)
        ]

    def close(self) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify_all()
        self.end()

    def end(self) -> None:
        """End every process; the next invocation starts new ones."""
        with self._changed:
            sandboxes = [*self._busy, *(sandbox for idle in self._idle.values() for _, sandbox in idle)]
            self._idle.clear()
        for sandbox in sandboxes:
            if sandbox.process:
                sandbox.process.terminate()
        for sandbox in sandboxes:
            # The thread that waits for a busy sandbox's result closes it.
            if sandbox not in self._busy:
                sandbox.end()

    def _take_stale(self, name: str, key: str) -> list[Sandbox]:
        stale = []
        expired = time.monotonic() - IDLE_SECONDS
        for other, idle in list(self._idle.items()):
            replaced = other != key and any(sandbox.name == name for _, sandbox in idle)
            ended = [entry for entry in idle if replaced or entry[0] < expired or not entry[1].alive]
            self._idle[other] = [entry for entry in idle if entry not in ended]
            if not self._idle[other]:
                del self._idle[other]
            stale += [sandbox for _, sandbox in ended]
        return stale


def _seconds_until_below(since: Mapping[Sandbox, float], limit: int) -> float:
    """Seconds until fewer than `limit` sandboxes are counted; 0 if so already."""
    now = time.monotonic()
    left = sorted(begin + SLOW_SECONDS - now for begin in since.values() if begin + SLOW_SECONDS > now)
    return left[len(left) - limit] if len(left) >= limit else 0.0
