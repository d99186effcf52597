"""HTTP proxy between functions and engine that throttles, fails and delays requests."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
# Seconds; the longest call of a function is an asynchronous invocation or a write.
UPSTREAM_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of requests that meet a fault, and the latency of all."""

    throttled: float = 0.0
    #: Answered 500 or 503; half of them after the engine has performed the request.
    failed: float = 0.0
    #: Seconds before each request.
    latency: float = 0.0


CALM = Faults()


class FaultyProxy:
    """`with FaultyProxy(endpoint, seed) as proxy:` forwards to the engine.

    `faults` may be replaced at any time. `counts` has the requests by their end.
    """

    def __init__(self, endpoint: str, seed: int) -> None:
        self.upstream = urlsplit(endpoint).netloc
        self.faults = CALM
        self.counts = Counter[str]()
        self._drawn = random.Random(seed)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def draw(self) -> str:
        """Draw the end of a request: `forwarded`, `throttled`, `refused` or `unanswered`."""
        faults = self.faults
        with self._lock:
            if self._drawn.random() < faults.throttled:
                end = "throttled"
            elif self._drawn.random() < faults.failed:
                end = self._drawn.choice(("refused", "unanswered"))
            else:
                end = "forwarded"
            self.counts[end] += 1
        return end


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    proxy: FaultyProxy

    def handle_error(self, *_: Any) -> None:
        """Ignore connections of killed processes."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self._upstream = http.client.HTTPConnection(self.server.proxy.upstream, timeout=UPSTREAM_SECONDS)

    def finish(self) -> None:
        self._upstream.close()
        super().finish()

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        time.sleep(self.server.proxy.faults.latency)
        end = self.server.proxy.draw()
        if end == "throttled":
            return self._send(*throttling_answer(service_of(self.headers.get("Authorization", ""))))
        if end == "refused":
            return self._send(503, [], b"")
        answer = self._forward(body)
        return self._send(500, [], b"") if end == "unanswered" else self._send(*answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        headers["Host"] = self.server.proxy.upstream
        self._upstream.request(self.command, self.path, body or None, headers)
        answer = self._upstream.getresponse()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
        return answer.status, kept, answer.read()

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Requests are counted instead."""


def service_of(authorization: str) -> str:
    """Name of the service that a signature is for, or empty."""
    _, found, scope = authorization.partition("Credential=")
    parts = scope.partition(",")[0].split("/")
    return parts[3] if found and len(parts) > 3 else ""


def throttling_answer(service: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of a service's throttled request."""
    if service == "s3":
        return (
            503,
            [("Content-Type", "application/xml")],
            b"<Error><Code>SlowDown</Code><Message>slow</Message></Error>",
        )
    if service == "lambda":
        return 429, [("x-amzn-errortype", "TooManyRequestsException")], b'{"message": "Rate Exceeded."}'
    return (
        400,
        [("Content-Type", "application/x-amz-json-1.0")],
        b'{"__type": "ThrottlingException", "message": "Rate exceeded"}',
    )
