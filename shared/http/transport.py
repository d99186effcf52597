"""Transport of all outgoing HTTP calls: one request, one response, with limits.

Redirects, cookies, rates and permitted hosts are decided by its users: `client`, `untrusted`, and the plugins' `net`.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import SplitResult

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

MAX_POOLS = 32
CHUNK = 64 * 1024
# A header that continues on the next line (RFC 9112, 5.2).
FOLD = re.compile(r"[ \t]*\r?\n[ \t]+")


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Limits of one call."""

    #: Seconds to connect, for each address.
    connect: float
    #: Seconds until the head of the response, and once more until the end of its body.
    read: float
    #: Seconds for everything.
    total: float
    #: Bytes of the body that are read, unpacked. 0: it is not read at all.
    most: int


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A response with its body in bytes."""

    status: int
    #: In their order, names in lower case.
    headers: tuple[tuple[str, str], ...]
    body: bytes
    #: Whether the body is longer than the limit.
    truncated: bool

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for each, value in self.headers if each == name), None)

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(value for each, value in self.headers if each == name)


class BodyTimeout(TimeoutError):
    """The body took too long."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the body took longer than {seconds:g} s")


class Transport:
    """Connections of one user. Safe to share between threads.

    resolver: returns the addresses that may be called for a host and a port.
    """

    def __init__(self, resolver: Callable[[str, int], Sequence[str]] | None = None, *, per_host: int = 8) -> None:
        self.resolver = resolver or system_addresses
        self.per_host = per_host

    @cached_property
    def _pools(self) -> PoolManager:
        from shared.http.connection import pool_manager

        return pool_manager(self.resolver, MAX_POOLS, self.per_host)

    def close(self) -> None:
        if "_pools" in self.__dict__:
            self._pools.clear()

    def exchange(
        self, method: str, url: SplitResult, headers: Mapping[str, str], body: str | bytes | None, limits: CallLimits
    ) -> RawResponse:
        """Send a request to `url`, whose host is in ASCII.

        Raises what the resolver raises, and HTTPError, HTTPException, OSError and ValueError: see `is_unsent` and
        `reason_of`.
        """
        from urllib3 import Timeout
        from urllib3.exceptions import ReadTimeoutError

        from shared.http.connection import CALL, MAX_HEAD, ResolverRefused

        CALL.end, CALL.read, CALL.bytes_left = time.monotonic() + limits.total, limits.read, MAX_HEAD
        CALL.next_phase()
        pool = self._pools.connection_from_host(url.hostname, url.port, url.scheme)
        try:
            response = pool.urlopen(
                method,
                (url.path or "/") + (f"?{url.query}" if url.query else ""),
                body=body.encode() if isinstance(body, str) else body,
                headers=dict(headers),
                timeout=Timeout(connect=min(limits.connect, limits.total), read=min(limits.read, limits.total)),
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
            )
        except ResolverRefused as refused:
            raise refused.error from None
        try:
            CALL.next_phase()
            # Compressed data may be longer than what it unpacks to, but not by much.
            CALL.bytes_left = 2 * limits.most + MAX_HEAD
            content, truncated = _read(response, limits.most) if limits.most else (b"", False)
        except (TimeoutError, ReadTimeoutError) as error:
            response.close()
            raise BodyTimeout(limits.read) from error
        except BaseException:
            response.close()
            raise
        if truncated or not limits.most:
            # The rest of the body would be read as the next response.
            response.close()
        else:
            response.release_conn()
        pairs = tuple((name.lower(), FOLD.sub(" ", value)) for name, value in response.headers.items())
        return RawResponse(response.status, pairs, content, truncated)


def system_addresses(host: str, port: int) -> list[str]:
    """All addresses of a host. Raises OSError."""
    try:
        records = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, str(error)) from None
    return list(dict.fromkeys(str(address[0]) for *_, address in records))


def is_unsent(error: Exception) -> bool:
    """Whether the request was not sent: no connection, or a wrong certificate."""
    from ssl import SSLCertVerificationError

    from urllib3 import exceptions as failures

    unconnected = (failures.NewConnectionError, failures.ConnectTimeoutError, failures.LocationValueError)
    wrong_server = isinstance(error, failures.SSLError) and isinstance(error.args[0], SSLCertVerificationError)
    return wrong_server or isinstance(error, unconnected)


def reason_of(error: Exception, limits: CallLimits) -> str:
    """Why there is no response, for people."""
    from urllib3 import exceptions as failures

    match error:
        case BodyTimeout():
            return str(error)
        case failures.NameResolutionError():
            return "the name does not resolve"
        case failures.NewConnectionError():
            return f"cannot connect: {error.__cause__ or 'refused'}"
        case failures.ConnectTimeoutError():
            return f"no connection within {min(limits.connect, limits.total):g} s"
        case failures.ReadTimeoutError() | TimeoutError() | failures.ProtocolError(args=(*_, TimeoutError())):
            return f"no answer within {min(limits.read, limits.total):g} s"
        case failures.SSLError():
            return f"TLS: {error}"
        case failures.ProtocolError():
            return f"the connection broke: {error.args[-1]}"
    return f"{type(error).__name__}: {error}"


def _read(response: BaseHTTPResponse, most: int) -> tuple[bytes, bool]:
    """Read at most `most` bytes, and whether there are more."""
    data = bytearray()
    while len(data) <= most:
        # read1 returns the bytes that are there; read(n) waits for n bytes, however slowly they drip.
        chunk = response.read1(min(CHUNK, most + 1 - len(data)), decode_content=True)
        if not chunk:
            return bytes(data), False
        data += chunk
    return bytes(data[:most]), True
