"""A DynamoDB endpoint on loopback that gives prepared answers and records the requests."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "example"
PREFIX = "com.amazonaws.dynamodb.v20120810#"


@dataclass(frozen=True)
class Answer:
    """One prepared answer.

    fault: "reset" ends the connection before an answer, "cut" within the body, "silent" never answers.
    """

    status: int = 200
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()
    fault: str = ""


def ok(**document: Any) -> Answer:
    return Answer(body=json.dumps(document).encode())


def refusal(code: str, status: int = 400, **document: Any) -> Answer:
    return Answer(status, json.dumps({"__type": PREFIX + code, "message": "no", **document}).encode())


@dataclass
class Endpoint:
    """The server: its URL, the answers left, and the requests that it got."""

    url: str = ""
    answers: deque[Answer] = field(default_factory=deque)
    requests: list[dict[str, Any]] = field(default_factory=list)
    #: Requests whose signature is not that of SECRET.
    unsigned: list[str] = field(default_factory=list)

    def script(self, answers: Iterable[Answer]) -> None:
        self.answers = deque(answers)
        self.requests.clear()


@contextmanager
def endpoint(
    respond: Callable[[dict[str, Any]], Answer] | None = None, encrypted: ssl.SSLContext | None = None
) -> Iterator[Endpoint]:
    """Serve the scripted answers, or what `respond` returns for a request.

    encrypted: the context for TLS.
    """
    state, stopped = Endpoint(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            # The client may refuse the certificate.
            with suppress(ssl.SSLError, ConnectionError):
                super().handle()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = {"path": self.path, "headers": headers, "body": json.loads(body)}
            state.requests.append(request)
            if not _signed(headers, body):
                state.unsigned.append(headers.get("authorization", ""))
            if respond is not None:
                self._answer(respond(request))
                return
            self._answer(state.answers.popleft() if state.answers else Answer())

        def _answer(self, answer: Answer) -> None:
            if answer.fault == "silent":
                stopped.wait(30)
            if answer.fault in ("silent", "reset"):
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("x-amzn-RequestId", "ID")
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[:-2] if answer.fault == "cut" else answer.body)
            self.close_connection = answer.fault == "cut"

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if encrypted is not None:
        # The handshake is made in the thread of the connection.
        server.socket = encrypted.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    state.url = f"{'https' if encrypted else 'http'}://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _signed(headers: dict[str, str], body: bytes) -> bool:
    """Whether the signature is right, by AWS's description of Signature Version 4."""
    parts = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=[^/]+/(\S+), SignedHeaders=(\S+), Signature=(\w+)",
        headers.get("authorization", ""),
    )
    if parts is None or headers.get("x-amz-security-token") not in (None, *TOKENS):
        return False
    scope, names, signature = parts.groups()
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names.split(";"))
    canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{SECRET}".encode()
    for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{digest}"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(key.hex(), signature)


TOKENS = ("first", "second")
