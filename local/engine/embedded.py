"""Engine in a thread of a test's process.

It starts in half a second and resets in milliseconds. Each access key of twelve digits is another account, so tests
with an account each share nothing.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import shutil
import tempfile
import threading
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.clients import client
from local.engine.emulator import ACCOUNT
from local.engine.server import Server
from local.request_guard import TOKEN

_accounts = itertools.count(100_000_000_000 + os.getpid() * 10_000)


@dataclass(frozen=True)
class Embedded:
    server: Server
    endpoint: str

    @property
    def token(self) -> str:
        return self.server.token

    def client(self, service: str, account: str | None = None) -> Any:
        return client(service, self.endpoint, self.token, account or ACCOUNT)

    def account(self) -> str:
        """One that nobody used before."""
        return str(next(_accounts))

    def processes(self, function: str | None = None) -> list[dict[str, Any]]:
        return self.server.pool.processes(function)

    def reset(self) -> None:
        """Forget everything, in every account."""
        self.server.pool.end()
        request = urllib.request.Request(f"{self.endpoint}/_ministack/reset", b"", {TOKEN: self.token})
        urllib.request.urlopen(request, timeout=10).close()


@functools.cache
def embedded() -> Embedded:
    """The one engine of this process, started when first asked for."""
    folder = Path(tempfile.mkdtemp(prefix="nightshift-engine-"))
    server = Server(folder)
    port = server.bind(0)
    server.prepare()
    ready = threading.Event()
    thread = threading.Thread(target=server.serve, args=(ready.set,), name="engine", daemon=True)
    thread.start()
    if not ready.wait(30):
        raise RuntimeError(f"the engine in {folder} did not start within 30 s")

    def end() -> None:
        server.stop()
        thread.join(5)
        server.pool.close()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return Embedded(server, f"http://127.0.0.1:{port}")
