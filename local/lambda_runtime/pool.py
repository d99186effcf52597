"""Pool of warm sandboxes with one invocation at a time each.

Sandboxes are replaced when their function changes.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from local.lambda_runtime.sandbox import Sandbox, SandboxSettings

IDLE_SECONDS = 300.0
# A change of any of these starts a new environment, as on AWS.
CODE = ("FunctionArn", "Version", "CodeSha256", "Handler", "Runtime", "Layers")
SETTINGS = ("Environment", "MemorySize", "Timeout", "LoggingConfig", "Role")


class Pool:
    def __init__(self, settings: SandboxSettings) -> None:
        self.settings = settings
        self._idle: dict[str, list[tuple[float, Sandbox]]] = {}
        self._busy: set[Sandbox] = set()
        self._lock = threading.Lock()
        self.closed = False

    @contextlib.contextmanager
    def lent(
        self, config: Mapping[str, Any], code: bytes, layers: list[bytes], credentials: Mapping[str, str]
    ) -> Iterator[tuple[Sandbox, bool]]:
        """Lend a sandbox, and whether it must be started.

        It is reused if it is still alive.
        """
        if self.closed:
            raise RuntimeError("the local cloud is stopping")
        key = json.dumps([config.get(name) for name in (*CODE, *SETTINGS)])
        with self._lock:
            stale = self._take_stale(str(config["FunctionName"]), key)
            warm = self._idle[key].pop()[1] if self._idle.get(key) else None
            sandbox = warm or Sandbox(self.settings, dict(config), code, layers, credentials)
            self._busy.add(sandbox)
        for old in stale:
            old.end()
        try:
            yield sandbox, warm is None
        finally:
            with self._lock:
                self._busy.discard(sandbox)
                if sandbox.alive:
                    self._idle.setdefault(key, []).append((time.monotonic(), sandbox))

    def processes(self, name: str | None = None) -> list[dict[str, Any]]:
        """Live processes: function, arn, pid, request id (null if idle), peak MB."""
        with self._lock:
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
        self.closed = True
        self.end()

    def end(self) -> None:
        """End every process; the next invocation starts new ones."""
        with self._lock:
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
