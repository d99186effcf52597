"""The console on a port of this machine, over a mocked cloud."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from functions.console._ui import Console


@dataclass
class ConsoleSite:
    """A served console. `hits` are the requests as `GET /ui/now 200`."""

    url: str
    hits: list[str]


@contextmanager
def served(console: Console) -> Iterator[ConsoleSite]:
    """Serve the pages while the block lasts."""
    hits: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            answer = console.answer(event_of(self.command, self.path, dict(self.headers.items()), body))
            sent = answer["body"].encode() if not answer["isBase64Encoded"] else base64.b64decode(answer["body"])
            # Before the answer: a test looks as soon as its browser has that.
            hits.append(f"{self.command} {self.path} {answer['statusCode']}")
            self.send_response(answer["statusCode"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            for cookie in answer.get("cookies", ()):
                self.send_header("Set-Cookie", cookie)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(sent)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield ConsoleSite(f"http://127.0.0.1:{server.server_port}", hits)
    finally:
        server.shutdown()
        server.server_close()


def event_of(method: str, target: str, headers: dict[str, str], body: bytes = b"") -> dict[str, Any]:
    """The event of a Function URL for a request."""
    parts = urlsplit(target)
    lowered = {name.lower(): value for name, value in headers.items()}
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": lowered,
        "requestContext": {"http": {"method": method, "path": parts.path, "sourceIp": "127.0.0.1"}},
        "isBase64Encoded": bool(body),
    }
    if "cookie" in lowered:
        event["cookies"] = lowered.pop("cookie").split("; ")
    if body:
        event["body"] = base64.b64encode(body).decode()
    return event
