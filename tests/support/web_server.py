"""Web server on loopback with configured answers, invalid ones included."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Reply:
    status: int = 200
    body: str | bytes = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: str


Behaviour = Callable[["Handler", Request], Reply | None]


class Web(ThreadingHTTPServer):
    """`answers[path]` is a reply, a list of replies to give in turn (the last one stays), or a behaviour."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        if tls:
            # The handshake happens at the first read, in another thread.
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.answers: dict[str, Reply | list[Reply] | Behaviour] = {}
        self.asked: list[Request] = []
        self.stopping = threading.Event()
        self.host = f"127.0.0.1:{self.server_port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()

    def paths(self) -> list[str]:
        return [request.path for request in self.asked]

    def handle_error(self, *_: Any) -> None:
        """Ignore errors: in some tests the client closes the connection."""


class Held:
    """Behaviour that sets `asked` at a request, and replies after `released` is set."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.asked, self.released = threading.Event(), threading.Event()

    def __call__(self, _handler: Handler, _request: Request) -> Reply:
        self.asked.set()
        self.released.wait(60)
        return self.reply


class Handler(BaseHTTPRequestHandler):
    server: Web
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        request = Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        self.server.asked.append(request)
        told = self.server.answers.get(self.path, Reply(404))
        if isinstance(told, list):
            told = told.pop(0) if len(told) > 1 else told[0]
        reply = told if isinstance(told, Reply) else told(self, request)
        if reply is not None:
            self.send(reply)

    do_GET = do_HEAD = do_POST = answer  # noqa: N815 - the names that http.server calls

    def send(self, reply: Reply) -> None:
        data = reply.body.encode() if isinstance(reply.body, str) else reply.body
        self.send_response(reply.status)
        for name, value in {"content-length": str(len(data)), **reply.headers}.items():
            for line in value.split("\n"):
                self.send_header(name, line)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


def hang(handler: Handler, request: Request) -> None:
    """Accept the request and send no response."""
    handler.server.stopping.wait(30)
    handler.close_connection = True


def reset(handler: Handler, request: Request) -> None:
    """Reset the connection instead of a response."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def babble(handler: Handler, request: Request) -> None:
    """Answer with bytes that are not HTTP."""
    handler.wfile.write(b"\x00\xff\xfe nothing like it \r\n\r\n" * 3)
    handler.close_connection = True


def drip(handler: Handler, request: Request) -> None:
    """Send an endless body byte by byte, each within the timeout."""
    handler.send_response(200)
    handler.send_header("content-length", "1000000")
    handler.end_headers()
    while not handler.server.stopping.is_set():
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.02)


def slow_headers(handler: Handler, request: Request) -> None:
    """Send an endless first header byte by byte."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
    while not handler.server.stopping.is_set():
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.02)
