"""Webhook receiver on loopback that records requests, one line of JSON each.

Any path returns 204, except: `/fail` 503, `/gone` 410, `/slow` after a delay, `/never` no response.
"""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from local.request_guard import GuardedHandler
from shared.text.whole_number import is_whole_number

ANSWERS = {"/fail": HTTPStatus.SERVICE_UNAVAILABLE, "/gone": HTTPStatus.GONE}
SLOW = 2.0
LARGEST = 1024 * 1024
# Bytes. A larger file is truncated.
LONGEST_FILE = 16 * 1024 * 1024


class WebhookReceiver:
    """`with WebhookReceiver(file, port) as receiver:` serves on `port`, or a free one."""

    def __init__(self, file: Path, port: int = 0) -> None:
        self.file = file
        try:
            self._server = _Server(("127.0.0.1", port), _Handler)
        except OSError:
            self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.receiver = self
        self._lock = threading.Lock()
        self.stopping = threading.Event()
        self.port: int = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="receiver", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def write(self, line: dict[str, Any]) -> None:
        with self._lock:
            full = self.file.exists() and self.file.stat().st_size > LONGEST_FILE
            with self.file.open("w" if full else "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    receiver: WebhookReceiver


class _Handler(GuardedHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # noqa: N802
        receiver, path = self.server.receiver, self.path.partition("?")[0]
        length = self.headers.get("Content-Length", "0")
        body = self.rfile.read(min(int(length), LARGEST)) if is_whole_number(length) else b""
        if path in ("/slow", "/never") and receiver.stopping.wait(SLOW if path == "/slow" else None):
            return
        status = ANSWERS.get(path, HTTPStatus.NO_CONTENT)
        headers = {name.lower(): value for name, value in self.headers.items()}
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        request = {"at": at, "path": self.path, "status": int(status), "headers": headers}
        receiver.write({**request, "body": body.decode(errors="replace")})
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Requests are in the file."""
