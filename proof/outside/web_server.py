"""HTTP server that counts effects.

It stands for webhook receivers, model providers and web APIs.
"""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from proof.outside.received import ReceivedEffects

CHAT = "/chat/completions"
CRITERION = re.compile(r'"([a-z][a-z0-9_]*)"')
# An answer of a model that evaluates: the highest score for each criterion that was asked for.
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100}


class CountingWebServer:
    """`with CountingWebServer(received) as server:` serves any path.

    The first part of a path is the host that the job called.
    """

    def __init__(self, received: ReceivedEffects) -> None:
        self.received = received
        #: Text of the model's answers.
        self.answer = "{}"
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), name="outside", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    owner: CountingWebServer

    def handle_error(self, *_: Any) -> None:
        """Ignore connections of killed processes."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(200, "text/html", b"<!doctype html><title>page</title>")

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", "0")))
        owner, key = self.server.owner, self.headers.get("idempotency-key", "")
        if self.path.endswith(CHAT):
            # A provider may ignore the key, and charges each answer.
            owner.received.add("model", self.path, key)
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": owner.answer}}
            self._send(200, "application/json", json.dumps({"choices": [choice], "usage": USAGE}).encode())
            return
        owner.received.add("request", self.path, key)
        self._send(204, "text/plain", b"")

    do_PUT = do_POST  # noqa: N815

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Received effects are counted instead."""
