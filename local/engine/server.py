"""Server of the engine: a process, or a thread of a test.

`python -m local.engine.server FOLDER PORT`. Besides AWS's APIs it serves, on the same port, `GET /_local/processes`,
`POST /_local/save` and `POST /_local/roles`. It prints its port as one JSON line when it is ready, and ends when its
standard input closes, so with its parent.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.engine import cfn_gaps, credential, emulator, queues, refusals, roles, url_paths
from local.engine.changes import changes, state_keys
from local.engine.open_requests import OpenRequests
from local.engine.snapshots import Store
from local.lambda_runtime import invocation, loop_detection
from local.lambda_runtime.limits import MemoryWatch
from local.lambda_runtime.pool import Pool
from local.lambda_runtime.python_path import prune
from local.lambda_runtime.sandbox import SandboxSettings
from local.request_guard import EngineGuard
from local.scheduler import destinations

Scope = MutableMapping[str, Any]
# Time for responses in progress when the server stops.
GRACE_SECONDS = 0.2
TRACE = b"x-amzn-trace-id"
Handler = Callable[[str, str, Any, bytes, Any], Awaitable[Any]]


@dataclass
class Server:
    """`folder` is kept between runs; nothing outside of it is written."""

    folder: Path
    logs: Path | None = None

    def bind(self, port: int) -> int:
        """Bind `port` on the loopback address; a free one if in use."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.socket.bind(("127.0.0.1", port))
        except OSError:
            self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(1024)
        self.port = int(self.socket.getsockname()[1])
        return self.port

    def prepare(self) -> None:
        """Load ministack and the saved state, and install the missing parts."""
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        self.token = credential.instance_token(self.folder)
        emulator.configure(self.folder, self.port)
        self.store = Store(self.folder, self.on_loop)
        self.store.load()
        # Built again from the packages of the current environment.
        shutil.rmtree(self.folder / "runtime", ignore_errors=True)
        prune(self.folder / "code", emulator.code_in_use())
        settings = SandboxSettings(self.folder, f"http://127.0.0.1:{self.port}", self.token, self.logs, MemoryWatch())
        self.pool = Pool(settings)
        invocation.install(self.pool)
        destinations.install()
        queues.install()
        url_paths.install()
        loop_detection.install()
        cfn_gaps.install()
        refusals.install()
        roles.install()
        app = emulator.application()
        keys = state_keys(app.SERVICE_REGISTRY)
        for name, handler in app.SERVICE_HANDLERS.items():
            app.SERVICE_HANDLERS[name] = self._noting_changes(keys[name], handler)
        self.app = app

    def serve(self, ready: Callable[[], None]) -> None:
        """Answer until `stop`."""
        asyncio.run(self._serve(ready))

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.stopping.set)

    def on_loop(self, function: Callable[[], Any]) -> Any:
        async def call() -> Any:
            return function()

        if self.loop.is_closed():
            return function()
        return asyncio.run_coroutine_threadsafe(call(), self.loop).result()

    def _noting_changes(self, keys: set[str], handler: Handler) -> Handler:
        async def noting(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
            response = await handler(method, path, headers, body, query)
            if changes(method, path, headers, body):
                self.store.changed |= keys
            return response

        return noting

    async def _serve(self, ready: Callable[[], None]) -> None:
        from hypercorn.asyncio import serve
        from hypercorn.config import Config

        config = Config()
        config.bind = [f"fd://{self.socket.fileno()}"]
        config.keep_alive_timeout = 75
        config.graceful_timeout = GRACE_SECONDS
        config.loglevel = "WARNING"
        self.loop, self.stopping, self.requests = asyncio.get_running_loop(), asyncio.Event(), OpenRequests()

        async def stopping() -> None:
            # Hypercorn calls this when it is ready to serve.
            ready()
            await self.stopping.wait()
            self.requests.refuse()
            # Then synchronous invocations respond, and requests of functions end. In this thread: no other can be
            # started while the interpreter of an embedded engine exits.
            self.pool.end()
            await self.requests.end(GRACE_SECONDS)

        answer: Any = EngineGuard(self._answer, self.token, credential.session_tokens)
        await serve(answer, config, shutdown_trigger=stopping)

    async def _answer(self, scope: Scope, receive: Callable[[], Any], send: Callable[[Any], Awaitable[None]]) -> None:
        if scope["type"] == "http":
            url_paths.remember(scope)
            loop_detection.receive(*(value.decode("latin-1") for name, value in scope["headers"] if name == TRACE))
            if scope["path"].startswith("/_local/"):
                return await self._administer(scope["method"], scope["path"], send)
            if scope["path"].startswith("/v2/email/"):
                self.store.changed |= {"ses", "ses_v2"}
            return await self.requests.respond(self.app.app, scope, receive, send)
        await self.app.app(scope, receive, send)
        return None

    async def _administer(self, method: str, path: str, send: Callable[[Any], Awaitable[None]]) -> None:
        body: Any = None
        if (method, path) == ("GET", "/_local/processes"):
            body = self.pool.processes()
        elif (method, path) == ("POST", "/_local/save"):
            body = {"waited_seconds": await asyncio.to_thread(self.store.save, everything=True)}
        elif (method, path) == ("POST", "/_local/roles"):
            roles.enforce()
            # Running processes still have the credentials of the account.
            await asyncio.to_thread(self.pool.end)
            body = {"enforced": True}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 404 if body is None else 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def main() -> None:
    folder, port = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    server = Server(folder, logs=folder.parent / "logs")
    server.bind(port)
    server.prepare()
    # With enforced roles, ministack compares the session token of the account's key with this variable.
    os.environ["AWS_SESSION_TOKEN"] = server.token
    saving = threading.Thread(target=server.store.run, name="saving")

    def ready() -> None:
        saving.start()
        threading.Thread(target=end_with_starter, name="starter", daemon=True).start()
        print(json.dumps({"port": server.port}), flush=True)

    def end_with_starter() -> None:
        sys.stdin.buffer.read()
        server.stop()

    server.serve(ready)
    # Functions first: messages that they have sent are saved as well.
    server.pool.close()
    destinations.settle(2)
    server.store.stop()


if __name__ == "__main__":
    main()
