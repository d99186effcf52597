"""HTTP requests on behalf of a plugin, with SSRF protection."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from http.client import HTTPException
from urllib.parse import SplitResult, urlsplit

from shared.http.ssrf import reason_not_public
from shared.http.transport import CallLimits, Transport, reason_of, system_addresses
from shared.plugins.denied import NetDenied
from shared.plugins.manifest.permissions import Permissions

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
LOCALHOST = ("localhost", "127.0.0.1", "::1")
PORTS = {"http": 80, "https": 443}
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def call(
    permissions: Permissions, method: str, url: str, headers: Mapping[str, str], body: bytes, remaining: float
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers, body. Raises NetDenied, ConnectionError and ValueError."""
    from urllib3.exceptions import HTTPError

    method = method.upper()
    if method not in METHODS:
        raise ValueError(f"the method {method!r} is not one of {', '.join(METHODS)}")
    parts = _parse(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    permissions.calls(host, port)
    sent = {name: value for name, value in headers.items() if name.lower() not in RESERVED_HEADERS}
    if any(not NAME.fullmatch(name) or "\n" in value or "\r" in value for name, value in sent.items()):
        raise ValueError("a header has an invalid name or value")
    sent = {"user-agent": "nightshift-plugin", **sent, "host": parts.netloc, "connection": "close"}
    total = max(0.05, min(CONNECT + READ, remaining))
    transport, limits = Transport(_addresses, per_host=1), CallLimits(CONNECT, READ, total, LARGEST)
    try:
        response = transport.exchange(method, parts, sent, body or None, limits)
    except NetDenied:
        raise
    except (HTTPError, OSError, HTTPException) as error:
        raise ConnectionError(f"{host}:{port} did not answer: {reason_of(error, limits)}") from None
    finally:
        transport.close()
    if response.truncated:
        raise ValueError(f"the response is larger than {LARGEST:,} bytes")
    return response.status, dict(reversed(response.headers)), response.body


def _parse(url: str) -> SplitResult:
    """Split a URL.

    Raises NetDenied for one that different parsers could read differently.
    """
    if re.search(r"[\x00-\x20\x7f\\]", url):
        raise NetDenied(repr(url[:80]), "has characters that are invalid in URLs")
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
        host = (parts.hostname or "").encode("ascii").decode()
    except (ValueError, KeyError):
        raise NetDenied(repr(url[:80]), "is not an http or https URL with a plain host name") from None
    if not port or "@" in parts.netloc or not re.fullmatch(r"[a-z0-9.-]+|\[?[0-9a-f:]+\]?", host):
        raise NetDenied(repr(url[:80]), "names a user, or has no plain host name")
    return parts


def _addresses(host: str, port: int) -> list[str]:
    """Addresses that a plugin's request may be sent to. Raises NetDenied."""
    if host.strip("[]") in LOCALHOST:
        _refuse_platform("127.0.0.1", port)
        return ["127.0.0.1"]
    addresses = system_addresses(host, port)
    for address in addresses:
        # A public name must not lead to internal addresses, such as 169.254.169.254, where machines of AWS
        # serve their credentials.
        if reason_not_public(ipaddress.ip_address(address.partition("%")[0])):
            raise NetDenied(f"{host}:{port}", f"resolves to {address}, which is not a public address")
    return addresses


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
