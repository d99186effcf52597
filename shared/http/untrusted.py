"""HTTP client for untrusted URLs, protected against SSRF.

It calls only an address that `ssrf` has checked, once.

No redirects, no proxies, no cookies. Only the head of the response is read, and the whole call has one time limit.
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

from shared.http.client import AGENT, HttpResponse, NoResponse, NotSent, parse_retry_after
from shared.http.ssrf import IP, PublicUrl, parse_public_url, resolve_public

if TYPE_CHECKING:
    from ssl import SSLContext

    from shared.aws.cloud import Cloud

# Seconds to connect, and for the whole call: a response that drips is cut off then.
CONNECT = 5.0
TOTAL = 15.0


class UntrustedHttpClient:
    """Call URLs that users gave. Safe to share between threads.

    loopback: allow this machine too, for tests and the local cloud.
    """

    def __init__(self, cloud: Cloud, *, loopback: bool = False, connect: float = CONNECT, total: float = TOTAL) -> None:
        self.cloud = cloud
        self.loopback = loopback
        self.connect = connect
        self.total = total

    def call(self, method: str, url: str, *, headers: Mapping[str, str], body: str, key: str) -> HttpResponse:
        """Send one request; any status is a response, a redirect too.

        key: the idempotency key. Raises ForbiddenUrl, Unresolved and NotSent where nothing was sent, NoResponse
        otherwise.
        """
        started = time.monotonic()
        public = parse_public_url(url, loopback=self.loopback)
        addresses = resolve_public(public, loopback=self.loopback)
        until = started + self.total
        sock = self._connect(public, addresses, until)
        sent = {"Host": public.authority, "User-Agent": AGENT, "Idempotency-Key": key, "Connection": "close", **headers}
        connection = http.client.HTTPConnection(public.host, public.port)
        # With its own socket it would resolve the host again.
        connection.sock = _Bounded(sock, until)
        try:
            connection.request(method, public.path, body.encode(), sent)
            response = connection.getresponse()
        except TimeoutError:
            raise NoResponse(f"no answer within {self.total:g} s") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoResponse(f"the connection broke: {type(error).__name__}") from error
        finally:
            sock.close()
        return HttpResponse(
            status=response.status,
            headers={name.lower(): value for name, value in response.getheaders() if name.lower() != "set-cookie"},
            text="",
            ms=round((time.monotonic() - started) * 1000),
            url=url,
            retry_after=parse_retry_after(response.headers.get("retry-after"), self.cloud.clock.now()),
        )

    def _connect(self, url: PublicUrl, addresses: list[IP], until: float) -> socket.socket:
        """Connect to the first address that accepts, with TLS for https."""
        reason = "there is no address"
        for ip in addresses:
            sock = socket.socket(socket.AF_INET if ip.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
            try:
                sock.settimeout(min(self.connect, _left(until)))
                sock.connect((str(ip), url.port))
                if ipaddress.ip_address(sock.getpeername()[0].partition("%")[0]) != ip:
                    raise NotSent("the connection leads to another address than the one that was checked")
                if url.scheme == "https":
                    sock.settimeout(_left(until))
                    return self._tls.wrap_socket(sock, server_hostname=url.host)
            except OSError as error:
                sock.close()
                reason = (
                    "it took too long" if isinstance(error, TimeoutError) else error.strerror or type(error).__name__
                )
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise NotSent(f"cannot connect: {reason}")

    @cached_property
    def _tls(self) -> SSLContext:
        import ssl

        return ssl.create_default_context()


def _left(until: float) -> float:
    """Seconds that are left. Raises TimeoutError where there are none."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Bounded:
    """A socket for http.client with one deadline for all calls."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self.sock = sock
        self.until = until

    def sendall(self, data: Any) -> None:
        self.sock.settimeout(_left(self.until))
        self.sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self.sock, self.until))

    def close(self) -> None:
        self.sock.close()


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, until: float) -> None:
        self.sock = sock
        self.until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.sock.settimeout(_left(self.until))
        return self.sock.recv_into(buffer)
