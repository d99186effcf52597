"""Which URLs may be called because a user says so: none that leads to what only we can reach.

That is this machine, its network, and the cloud's metadata.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.job.effect import NotPerformed

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
LONGEST_URL = 2048
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# Names that never lead to the world outside: RFC 6761, 6762, 8375, ICANN's `internal`, and what routers use.
INNER = (
    *("localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan"),
    *("home.arpa", "onion"),
)
# IANA's registries of special-purpose addresses, and what clouds put among public ones.
CLOSED_4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
            *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
            # Multicast, reserved, broadcast; and Azure's 168.63.129.16.
            *("224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
        ),
    )
)
# All of IPv6 that is assigned to the world. What lies outside it is loopback, mapped, NAT64, local, multicast.
OPEN_6 = ipaddress.IPv6Network("2000::/3")
CLOSED_6 = tuple(
    map(
        ipaddress.IPv6Network,
        # Protocols with Teredo and ORCHID, documentation twice, 6to4, AS112.
        ("2001::/23", "2001:db8::/32", "3fff::/20", "2002::/16", "2620:4f:8000::/48"),
    )
)


class ForbiddenUrl(NotPerformed):
    """The URL may not be called, and nothing was; the message says why."""


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """Where a URL leads: scheme, host as it goes into certificates and headers, port, and path with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """As the header Host has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


def parse_public_url(url: str, *, loopback: bool = False) -> PublicUrl:
    """Take a URL apart. Raises Closed for what is not plainly a public https URL.

    loopback: also http, and this machine, for tests and a laptop.
    """
    if len(url) > LONGEST_URL:
        raise ForbiddenUrl(f"the URL is longer than {LONGEST_URL} characters")
    # Parsers disagree on these, and what one takes for the host is a path to another.
    if not url.isascii() and any(not sign.isalnum() and not sign.isascii() for sign in url):
        raise ForbiddenUrl("the URL has a sign in it that is neither ASCII nor a letter")
    if any(sign.isspace() or not sign.isprintable() or sign in '\\"<>^`{|}' for sign in url):
        raise ForbiddenUrl("the URL has a space, a control character or a sign in it that belongs into none")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenUrl(f"the URL cannot be read: {error}") from None
    if parts.scheme not in ("https", "http"):
        raise ForbiddenUrl("the URL does not begin with https://")
    if "@" in parts.netloc or "%" in parts.netloc:
        raise ForbiddenUrl("the URL has a user, or an escape, before its path")
    host = _host(parts.hostname or "", loopback)
    if parts.scheme == "http" and not (loopback and _is_loopback(host)):
        raise ForbiddenUrl("the URL does not begin with https://")
    if port is not None and (port == 0 or (port < 1024 and port not in (80, 443))):
        raise ForbiddenUrl(f"port {port} is not one that webhooks are taken on")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii():
        raise ForbiddenUrl("the URL's path has to be escaped")
    return PublicUrl(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path)


def resolve_public(where: PublicUrl, *, loopback: bool = False) -> list[IP]:
    """What its host is, asked once: connect to these and no others. Raises Closed where a single one is not open."""
    try:
        found = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as error:
        raise Unresolved(f"the name does not resolve: {error}") from None
    known = list(dict.fromkeys(ipaddress.ip_address(str(address[0]).partition("%")[0]) for *_, address in found))
    for each in known:
        if why := closed(each, loopback=loopback):
            raise ForbiddenUrl(f"its host is {why}")
    return known


class Unresolved(NotPerformed):
    """The host has no address now; another time it may."""


def closed(ip: IP, *, loopback: bool = False) -> str:
    """What is wrong with an address; empty where it belongs to the world outside."""
    if loopback and ip.is_loopback:
        return ""
    if isinstance(ip, ipaddress.IPv4Address):
        outside = not any(ip in net for net in CLOSED_4)
    else:
        outside = ip in OPEN_6 and not any(ip in net for net in CLOSED_6)
    if outside:
        return ""
    # Not the address itself: to whoever chose the URL it would tell what our network is like.
    return "an address that is not of the public internet"


def _host(name: str, loopback: bool) -> str:
    if ":" in name:
        ip = _literal(ipaddress.IPv6Address, name)
        return str(ip)
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            raise ForbiddenUrl("the host's name cannot be written in ASCII") from None
    name = name.lower()
    labels = name.split(".")
    if len(name) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        raise ForbiddenUrl("the URL names no host that can be")
    # 127.1, 0x7f000001, 2130706433, 0177.0.0.1: a name of the public internet has no such last label.
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        return str(_literal(ipaddress.IPv4Address, name))
    inner = len(labels) == 1 or any(name == each or name.endswith(f".{each}") for each in INNER)
    if inner and not (loopback and _is_loopback(name)):
        raise ForbiddenUrl("the host is not of the public internet")
    return name


def _literal(kind: type[IP], name: str) -> IP:
    try:
        return kind(name)
    except ValueError:
        raise ForbiddenUrl("the host is a number that is no address as it is commonly written") from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
