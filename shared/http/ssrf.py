"""Guard against server-side request forgery (SSRF) by URLs of users.

Refused is each URL that leads to an address that only we can reach: this machine, its network, and the metadata
service of the cloud (169.254.169.254). Parse the URL, resolve its host once, and connect to the resolved addresses
only: a second look-up could return another address (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from shared.http.transport import system_addresses
from shared.job.effect import NotPerformed
from shared.text.domain_name import InvalidDomain, ascii_domain

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_URL = 2048
# Names that never belong to the public internet: RFC 6761, 6762, 8375, ICANN's `internal`, and what routers use.
PRIVATE_NAMES = (
    *("localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan"),
    *("home.arpa", "onion"),
)
# IANA's registries of special-purpose addresses, and addresses of cloud services in public ranges.
NON_PUBLIC_4 = tuple(
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
# Errors of the resolver by which a host has no address. Others are failures of the resolver, such as a timeout.
NO_ADDRESS = frozenset(
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY") if hasattr(socket, name)
)
# The global unicast range of IPv6. Outside of it are loopback, IPv4-mapped, NAT64, local and multicast addresses.
GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
NON_PUBLIC_6 = tuple(
    map(
        ipaddress.IPv6Network,
        # IETF protocols (Teredo, ORCHID), documentation (two ranges), 6to4, AS112.
        ("2001::/23", "2001:db8::/32", "3fff::/20", "2002::/16", "2620:4f:8000::/48"),
    )
)


class ForbiddenUrl(NotPerformed):
    """The URL must not be called; the message contains the reason."""


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """The parts of a URL that passed the guard."""

    scheme: str
    #: In ASCII and lower case, as in certificates and headers.
    host: str
    port: int
    #: With the query.
    path: str

    @property
    def parts(self) -> SplitResult:
        """The URL for a transport."""
        path, _, query = self.path.partition("?")
        return SplitResult(self.scheme, self.authority, path, query, "")

    @property
    def authority(self) -> str:
        """The value of the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


def parse_public_url(url: str, *, loopback: bool = False) -> PublicUrl:
    """Parse a URL. Raises ForbiddenUrl for all but a public https URL.

    loopback: accept http and this machine too, for tests and the local cloud.
    """
    if len(url) > MAX_URL:
        raise ForbiddenUrl(f"the URL is longer than {MAX_URL} characters")
    # Parsers disagree on these characters: one reads a host where another reads a path.
    if not url.isascii() and any(not character.isalnum() and not character.isascii() for character in url):
        raise ForbiddenUrl("the URL contains a character that is neither ASCII nor a letter")
    if any(character.isspace() or not character.isprintable() or character in '\\"<>^`{|}' for character in url):
        raise ForbiddenUrl("the URL contains a space, a control character or one that must be escaped")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenUrl(f"the URL cannot be parsed: {error}") from None
    if parts.scheme not in ("https", "http"):
        raise ForbiddenUrl("the URL does not begin with https://")
    if "@" in parts.netloc or "%" in parts.netloc:
        raise ForbiddenUrl("the URL contains a user name or an escape in its host")
    host = _host(parts.hostname or "", loopback)
    if parts.scheme == "http" and not (loopback and is_loopback(host)):
        raise ForbiddenUrl("the URL does not begin with https://")
    if port is not None and (port == 0 or (port < 1024 and port not in (80, 443))):
        raise ForbiddenUrl(f"port {port} is not allowed: use 80, 443 or one from 1024")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii():
        raise ForbiddenUrl("the path of the URL must be percent-encoded")
    return PublicUrl(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path)


def public_addresses(host: str, port: int, *, loopback: bool = False) -> list[str]:
    """Resolve a host; connect to these addresses only.

    Raises ForbiddenUrl where one of them is not public, Unresolved where there is none, ResolverFailed without an
    answer of DNS.
    """
    try:
        found = system_addresses(host, port)
    except socket.gaierror as error:
        kind = Unresolved if error.errno in NO_ADDRESS else ResolverFailed
        raise kind(f"the name does not resolve: {error}") from None
    except OSError as error:
        raise Unresolved(f"the name does not resolve: {error}") from None
    addresses = list(dict.fromkeys(ipaddress.ip_address(address.partition("%")[0]) for address in found))
    for address in addresses:
        if reason := reason_not_public(address, loopback=loopback):
            raise ForbiddenUrl(f"its host is {reason}")
    return list(map(str, addresses))


class Unresolved(NotPerformed):
    """The host has no address at present."""


class ResolverFailed(Unresolved):
    """DNS did not answer: nothing is known about the host."""


def reason_not_public(ip: IP, *, loopback: bool = False) -> str:
    """Why an address must not be called; empty for a public one."""
    if loopback and ip.is_loopback:
        return ""
    if isinstance(ip, ipaddress.IPv4Address):
        public = not any(ip in network for network in NON_PUBLIC_4)
    else:
        public = ip in GLOBAL_6 and not any(ip in network for network in NON_PUBLIC_6)
    if public:
        return ""
    # Without the address: the user who chose the URL could map our network by it.
    return "an address that is not of the public internet"


def _host(name: str, loopback: bool) -> str:
    if ":" in name:
        return _literal(ipaddress.IPv6Address, name, loopback)
    try:
        name, given = ascii_domain(name), name
    except InvalidDomain:
        raise ForbiddenUrl("the host name is invalid") from None
    # A final dot makes it another name in certificates and lists of names.
    if "_" in name or given.endswith("."):
        raise ForbiddenUrl("the host name is invalid")
    labels = name.split(".")
    # 127.1, 0x7f000001, 2130706433, 0177.0.0.1: no public name ends in a number.
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        return _literal(ipaddress.IPv4Address, name, loopback)
    private = len(labels) == 1 or any(name == each or name.endswith(f".{each}") for each in PRIVATE_NAMES)
    if private and not (loopback and is_loopback(name)):
        raise ForbiddenUrl("the host is not of the public internet")
    return name


def _literal(kind: type[IP], name: str, loopback: bool) -> str:
    try:
        ip = kind(name)
    except ValueError:
        raise ForbiddenUrl("the host is a number, and not an address in the common notation") from None
    if reason := reason_not_public(ip, loopback=loopback):
        raise ForbiddenUrl(f"its host is {reason}")
    return str(ip)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
