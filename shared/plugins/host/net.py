"""HTTP requests on behalf of a plugin, with SSRF protection."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.http.ssrf import reason_not_public
from shared.plugins.denied import NetDenied
from shared.plugins.manifest.permissions import Permissions

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool

LARGEST = 8 * 1024 * 1024
CONNECT, READ = 3.0, 10.0
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Headers that the host sets, or that concern the connection instead of the message.
RESERVED_HEADERS = {
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "upgrade",
    "proxy-authorization",
    "expect",
}
# Variables with the URLs of the platform's own interfaces.
PLATFORM = ("AWS_LAMBDA_RUNTIME_API", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_ENDPOINT_URL")
LOCALHOST = ("localhost", "127.0.0.1", "[::1]")
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def call(
    permissions: Permissions, method: str, url: str, headers: Mapping[str, str], body: bytes, remaining: float
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers, body. Raises NetDenied, ConnectionError and ValueError."""
    from urllib3 import Timeout
    from urllib3.exceptions import HTTPError

    method = method.upper()
    if method not in METHODS:
        raise ValueError(f"the method {method!r} is not one of {', '.join(METHODS)}")
    scheme, host, port, target = _parse(url)
    permissions.calls(host, port)
    address = _address(host, port)
    _refuse_platform(address, port)
    sent = {name: value for name, value in headers.items() if name.lower() not in RESERVED_HEADERS}
    if any(not NAME.fullmatch(name) or "\n" in value or "\r" in value for name, value in sent.items()):
        raise ValueError("a header has an invalid name or value")
    seconds = max(0.05, min(CONNECT + READ, remaining))
    until = time.monotonic() + seconds
    pool = _pool(scheme, host, address, port)
    try:
        answer = pool.urlopen(
            method,
            target,
            body=body or None,
            headers={"user-agent": "nightshift-plugin", **sent, "host": urlsplit(url).netloc},
            timeout=Timeout(connect=min(CONNECT, seconds), read=min(READ, seconds)),
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=True,
        )
        data = _read(answer, until)
    except HTTPError as error:
        raise ConnectionError(f"{host}:{port} did not answer: {type(error).__name__}") from None
    finally:
        pool.close()
    return answer.status, {name.lower(): value for name, value in answer.headers.items()}, data


def _parse(url: str) -> tuple[str, str, int, str]:
    """Split a URL.

    Raises NetDenied for one that different parsers could read differently.
    """
    if re.search(r"[\x00-\x20\x7f\\]", url):
        raise NetDenied(repr(url[:80]), "has characters that are invalid in URLs")
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        host = (parts.hostname or "").encode("ascii").decode()
    except (ValueError, KeyError):
        raise NetDenied(repr(url[:80]), "is not an http or https URL with a plain host name") from None
    if "@" in parts.netloc or not re.fullmatch(r"[a-z0-9.-]+|\[?[0-9a-f:]+\]?", host):
        raise NetDenied(repr(url[:80]), "names a user, or has no plain host name")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, host, port, target


def _address(host: str, port: int) -> str:
    """Resolve the name once.

    The request connects to that address, since a second lookup could return another.
    """
    if host in LOCALHOST:
        return "127.0.0.1"
    try:
        addresses = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except OSError as error:
        raise ConnectionError(f"{host} has no address: {error}") from None
    for address in addresses:
        # A public name must not lead to internal addresses, such as 169.254.169.254, where machines of AWS
        # serve their credentials.
        if reason_not_public(ipaddress.ip_address(address.partition("%")[0])):
            raise NetDenied(f"{host}:{port}", f"resolves to {address}, which is not a public address")
    return addresses[0]


def _refuse_platform(address: str, port: int) -> None:
    """Refuse the platform's own interfaces on this machine. Raises NetDenied.

    Lambda's runtime API serves the events of other runs, and another one the credentials of the role.
    """
    for name in PLATFORM:
        value = os.environ.get(name, "")
        url = urlsplit(value if "//" in value else f"//{value}")
        if address == "127.0.0.1" and url.port == port and _is_loopback(url.hostname or ""):
            raise NetDenied(f"localhost:{port}", "belongs to the platform")


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1", "0.0.0.0") or host.startswith("127.")


def _pool(scheme: str, host: str, address: str, port: int) -> HTTPConnectionPool:
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

    if scheme == "https":
        return HTTPSConnectionPool(address, port, maxsize=1, assert_hostname=host, server_hostname=host)
    return HTTPConnectionPool(address, port, maxsize=1)


def _read(answer: Any, until: float) -> bytes:
    parts, size = [], 0
    # read1 returns what has arrived: a read of a fixed size would wait for as long as the sender likes.
    while part := answer.read1(64 * 1024):
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise ValueError(f"the response is larger than {LARGEST:,} bytes")
        if time.monotonic() > until:
            raise TimeoutError("the response took too long")
    return b"".join(parts)
