"""Calls to URLs that users gave: to the very address that was looked at, once, bounded in every direction.

No redirects, no proxies, no cookies, and of an answer the head alone: whatever it goes on to say is not read.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.http.client import AGENT, HttpResponse, NoAnswer, NotSent, seconds_of
from shared.http.ssrf import IP, PublicUrl, parse_public_url, resolve_public

if TYPE_CHECKING:
    from ssl import SSLContext

    from shared.aws.cloud import Cloud

# Seconds for a connection, and for all of a call: what drips does so no longer than that.
CONNECT = 5.0
TOTAL = 15.0


class UntrustedHttpClient:
    """Safe to share between threads. loopback: also to this machine, for tests and a laptop."""

    def __init__(self, cloud: Cloud, *, loopback: bool = False, connect: float = CONNECT, total: float = TOTAL) -> None:
        self.cloud = cloud
        self.loopback = loopback
        self.connect = connect
        self.total = total

    def call(self, method: str, url: str, *, headers: Mapping[str, str], body: str, key: str) -> HttpResponse:
        """Raises outside.Closed where it must not be called, Unresolved and NotSent where nothing was sent, NoAnswer.

        key: the idempotency key that goes along. Any status is an answer, a redirect too.
        """
        clocked = time.monotonic()
        where = parse_public_url(url, loopback=self.loopback)
        known = resolve_public(where, loopback=self.loopback)
        until = clocked + self.total
        line = self._line(where, known, until)
        sent = {"Host": where.authority, "User-Agent": AGENT, "Idempotency-Key": key, "Connection": "close", **headers}
        connection = http.client.HTTPConnection(where.host, where.port)
        # Set, and so not made by itself, which would ask for the name again.
        connection.sock = _Bounded(line, until)
        try:
            connection.request(method, where.path, body.encode(), sent)
            response = connection.getresponse()
        except TimeoutError:
            raise NoAnswer(f"no answer within {self.total:g} s") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(f"the connection broke: {type(error).__name__}") from error
        finally:
            line.close()
        return HttpResponse(
            status=response.status,
            headers={name.lower(): value for name, value in response.getheaders() if name.lower() != "set-cookie"},
            text="",
            ms=round((time.monotonic() - clocked) * 1000),
            url=url,
            retry_after=seconds_of(response.headers.get("retry-after"), self.cloud.clock.now()),
        )

    def _line(self, where: PublicUrl, known: list[IP], until: float) -> socket.socket:
        """A connection to the first of these addresses that takes one, with TLS to the host by its name."""
        why = "there is no address"
        for ip in known:
            line = socket.socket(socket.AF_INET if ip.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
            try:
                line.settimeout(min(self.connect, _left(until)))
                line.connect((str(ip), where.port))
                if ipaddress.ip_address(line.getpeername()[0].partition("%")[0]) != ip:
                    raise NotSent("the connection leads to another address than the one that was looked at")
                if where.scheme == "https":
                    line.settimeout(_left(until))
                    return self._tls.wrap_socket(line, server_hostname=where.host)
            except OSError as error:
                line.close()
                why = "it took too long" if isinstance(error, TimeoutError) else error.strerror or type(error).__name__
            except BaseException:
                line.close()
                raise
            else:
                return line
        raise NotSent(f"cannot connect: {why}")

    @cached_property
    def _tls(self) -> SSLContext:
        import ssl

        return ssl.create_default_context()


def _left(until: float) -> float:
    """Raises TimeoutError where nothing is left."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Bounded:
    """As much of a socket as http.client uses, under one deadline for all that is said on it."""

    def __init__(self, line: socket.socket, until: float) -> None:
        self.line = line
        self.until = until

    def sendall(self, data: Any) -> None:
        self.line.settimeout(_left(self.until))
        self.line.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self.line, self.until))

    def close(self) -> None:
        self.line.close()


class _Reader(io.RawIOBase):
    def __init__(self, line: socket.socket, until: float) -> None:
        self.line = line
        self.until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.line.settimeout(_left(self.until))
        return self.line.recv_into(buffer)
