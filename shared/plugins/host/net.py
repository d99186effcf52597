"""One call of a plugin to a host that its manifest allows, made on its behalf."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.plugins.denied import NetDenied
from shared.plugins.manifest.permissions import Permissions

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool

LARGEST = 8 * 1024 * 1024
CONNECT, READ = 3.0, 10.0
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Ours to say, or of the connection and not of the message.
OURS = {"host", "connection", "content-length", "transfer-encoding", "te", "upgrade", "proxy-authorization", "expect"}
# Variables that say where the platform's own interfaces are.
PLATFORM = ("AWS_LAMBDA_RUNTIME_API", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_ENDPOINT_URL")
HERE = ("localhost", "127.0.0.1", "[::1]")
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def call(
    permissions: Permissions, method: str, url: str, headers: Mapping[str, str], body: bytes, remaining: float
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers, body. Raises NetDenied, ConnectionError and ValueError."""
    from urllib3 import Timeout
    from urllib3.exceptions import HTTPError

    method = method.upper()
    if method not in METHODS:
        raise ValueError(f"{method!r} is none of {', '.join(METHODS)}")
    scheme, host, port, target = _taken_apart(url)
    permissions.calls(host, port)
    address = _address(host, port)
    _not_ours(address, port)
    sent = {name: value for name, value in headers.items() if name.lower() not in OURS}
    if any(not NAME.fullmatch(name) or "\n" in value or "\r" in value for name, value in sent.items()):
        raise ValueError("a header has a name or a value that no header can have")
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


def _taken_apart(url: str) -> tuple[str, str, int, str]:
    """Raises NetDenied for what two readers could read as two things."""
    if re.search(r"[\x00-\x20\x7f\\]", url):
        raise NetDenied(repr(url[:80]), "has characters in it that no URL has")
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        host = (parts.hostname or "").encode("ascii").decode()
    except (ValueError, KeyError):
        raise NetDenied(repr(url[:80]), "is no http or https URL of a plain host name") from None
    if "@" in parts.netloc or not re.fullmatch(r"[a-z0-9.-]+|\[?[0-9a-f:]+\]?", host):
        raise NetDenied(repr(url[:80]), "names a user, or no plain host")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, host, port, target


def _address(host: str, port: int) -> str:
    """Where the name leads. It is looked up once, and the call goes there: a second answer could be another."""
    if host in HERE:
        return "127.0.0.1"
    try:
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except OSError as error:
        raise ConnectionError(f"{host} has no address: {error}") from None
    for address in found:
        # A name that a manifest may ask for must not become a way to what is inside, least of all to
        # 169.254.169.254, where machines of AWS keep their credentials.
        if not ipaddress.ip_address(address.partition("%")[0]).is_global:
            raise NetDenied(f"{host}:{port}", f"leads to {address}, which is not on the internet")
    return found[0]


def _not_ours(address: str, port: int) -> None:
    """Whoever may call this machine may not call what the platform itself has on it: at Lambda's runtime API others'
    events are to be had, and the role's credentials. Raises NetDenied."""
    for name in PLATFORM:
        said = os.environ.get(name, "")
        ours = urlsplit(said if "//" in said else f"//{said}")
        if address == "127.0.0.1" and ours.port == port and _loopback(ours.hostname or ""):
            raise NetDenied(f"localhost:{port}", "belongs to the platform")


def _loopback(host: str) -> bool:
    return host in ("localhost", "::1", "0.0.0.0") or host.startswith("127.")


def _pool(scheme: str, host: str, address: str, port: int) -> HTTPConnectionPool:
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

    if scheme == "https":
        return HTTPSConnectionPool(address, port, maxsize=1, assert_hostname=host, server_hostname=host)
    return HTTPConnectionPool(address, port, maxsize=1)


def _read(answer: Any, until: float) -> bytes:
    parts, size = [], 0
    # As it comes: one that waits for more than is there waits as long as the sender likes.
    while part := answer.read1(64 * 1024):
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise ValueError(f"the answer is larger than {LARGEST:,} bytes")
        if time.monotonic() > until:
            raise TimeoutError("the answer took too long")
    return b"".join(parts)
