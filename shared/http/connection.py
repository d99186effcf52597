"""Connections of HTTP/1.1: address, time and size of each call are bounded.

Imports urllib3: import this module inside of functions only.

A connection is opened to an address that its transport's resolver returned, and to no other one. The name is looked up
once, so a second look-up cannot return another address (DNS rebinding).
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Literal

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

# Addresses of a host and port. Raises OSError where there is none, and its own error where it is forbidden.
Resolver = Callable[[str, int], Sequence[str]]
# Bytes of a response before its body.
MAX_HEAD = 256 * 1024
# 1xx responses in front of one response.
MAX_INTERIM = 20
DIGITS = re.compile(r"[0-9]{1,18}")


class ResolverRefused(Exception):
    """The resolver raised `error`."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class _Call(threading.local):
    """Limits of the call that this thread makes."""

    #: time.monotonic() at which it ends.
    end: float = 0.0
    #: Seconds until the head of the response, and once more until the end of its body.
    read: float = 0.0
    #: time.monotonic() at which its present phase ends.
    until: float = 0.0
    #: Bytes that may still be received.
    bytes_left: int = 0

    def next_phase(self, seconds: float | None = None) -> None:
        """Begin a phase of at most `seconds`, by default those to read."""
        self.until = min(self.end, time.monotonic() + (self.read if seconds is None else seconds))

    def left(self) -> float:
        """Seconds that are left. Raises TimeoutError where there are none."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the call took too long")
        return left


CALL = _Call()


class _Socket:
    """A connected socket that keeps to the limits of the current call."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def sendall(self, data: Any) -> None:
        rest = memoryview(data).cast("B")
        while rest:
            # Each time: the timeout of a socket is that of one send.
            self._sock.settimeout(CALL.left())
            rest = rest[self._sock.send(rest) :]

    def makefile(self, mode: Literal["rb"]) -> io.BufferedReader:
        # An unbuffered file keeps the socket open after close(), until the response is read.
        return io.BufferedReader(_Reader(self._sock, self._sock.makefile(mode, buffering=0)))


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, file: Any) -> None:
        self.sock = sock
        self.file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.sock.settimeout(CALL.left())
        count: int = self.file.readinto(buffer)
        CALL.bytes_left -= count
        if CALL.bytes_left < 0:
            raise OSError("the response is too large")
        return count

    def close(self) -> None:
        self.file.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """Response whose form leaves no room for interpretation."""

    def _read_status(self) -> tuple[str, int, str]:
        """Skip 1xx responses (RFC 9110, 15.2); http.client skips 100 only."""
        for _ in range(MAX_INTERIM):
            version, status, reason = super()._read_status()  # type: ignore[misc] # not in typeshed
            if not re.fullmatch(r"HTTP/1\.[0-9]", version):
                raise http.client.UnknownProtocol(version[:20])
            if status == HTTPStatus.SWITCHING_PROTOCOLS:
                raise http.client.HTTPException("the server switches to a protocol that was not requested")
            if status >= HTTPStatus.OK:
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException(f"more than {MAX_INTERIM} interim responses")

    def begin(self) -> None:
        super().begin()
        # RFC 9112, 6.3: a body whose end is unclear could contain another response.
        lengths = {part.strip() for value in self.headers.get_all("content-length", []) for part in value.split(",")}
        codings = ",".join(self.headers.get_all("transfer-encoding", [])).strip().lower()
        if len(lengths) > 1 or not all(DIGITS.fullmatch(length) for length in lengths):
            raise http.client.HTTPException("the content-length is invalid")
        if codings not in ("", "chunked"):
            raise http.client.HTTPException("the transfer-encoding is not supported")


class _Resolved:
    """Connection to an address that the resolver returned."""

    resolve: ClassVar[Resolver]
    response_class = _Response

    def _new_conn(self: Any) -> socket.socket:
        try:
            addresses = type(self).resolve(self._dns_host, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except Exception as error:
            # urllib3 would hide an OSError.
            raise ResolverRefused(error) from error
        failure: OSError = OSError("there is no address")
        for address in addresses:
            try:
                return _connected(address, self.port, min(self.timeout or CALL.left(), CALL.left()))
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, f"no connection to {self.host}") from failure
        raise NewConnectionError(self, f"cannot connect: {failure}") from failure

    def connect(self: Any) -> None:
        CALL.until = CALL.end
        try:
            super().connect()  # type: ignore[misc] # of the class beside it
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "no TLS handshake") from error
        self.sock = _Socket(self.sock)
        CALL.next_phase()


def _connected(address: str, port: int, timeout: float) -> socket.socket:
    ip = ipaddress.ip_address(address.partition("%")[0])
    sock = socket.socket(socket.AF_INET if ip.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(timeout)
        sock.connect((address, port))
        if ipaddress.ip_address(sock.getpeername()[0].partition("%")[0]) != ip:
            raise OSError("the connection leads to another address than the one that was checked")
    except BaseException:
        sock.close()
        raise
    return sock


def pool_manager(resolver: Resolver, pools: int, per_host: int) -> PoolManager:
    """Pools of connections to the addresses of `resolver`."""
    resolve = staticmethod(resolver)
    plain = type("ResolvedHttpConnection", (_Resolved, HTTPConnection), {"resolve": resolve})
    secure = type("ResolvedHttpsConnection", (_Resolved, HTTPSConnection), {"resolve": resolve})
    manager = PoolManager(num_pools=pools, maxsize=per_host, retries=False)
    manager.pool_classes_by_scheme = {
        "http": type("ResolvedHttpPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("ResolvedHttpsPool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }
    return manager
