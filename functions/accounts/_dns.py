"""DNS check of a user's domain.

The required records are compared with the answers of DNS servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING

from shared.job import NotPerformed, RunContext, Setting
from shared.text.domain_name import ascii_domain
from shared.text.whole_number import InvalidNumber, parse_whole_number

if TYPE_CHECKING:
    from dns.resolver import Resolver

# Seconds for one lookup, its retries included.
SECONDS = 8.0
PORT = 53


def _aliases(text: str) -> Mapping[str, str]:
    """`dkim._domainkey=dkim.in.example, mail=mail.in.example`."""
    aliases = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        label, equals, target = part.partition("=")
        if not equals or not label.strip() or not target.strip():
            raise ValueError("write label=target, as in mail=mail.in.example")
        aliases[ascii_domain(label.strip())] = ascii_domain(target.strip())
    return aliases


def _label(text: str) -> str:
    """A label that is invalid would make every domain's records missing."""
    return ascii_domain(text.strip())


def _hosts(text: str) -> tuple[str, ...]:
    return tuple(ascii_domain(part.strip()) for part in text.split(",") if part.strip())


def _servers(text: str) -> tuple[tuple[str, int], ...]:
    """`192.0.2.1, 192.0.2.2:5353, [2001:db8::1]:53` as addresses and ports."""
    servers = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        has_port = part.count(":") == 1 or "]:" in part
        host, port = part.rsplit(":", 1) if has_port else (part, str(PORT))
        try:
            number = parse_whole_number(port, least=1, most=65535)
        except InvalidNumber:
            raise ValueError(f"{part!r:.60} has no port from 1 to 65535 after its colon") from None
        try:
            servers.append((str(ip_address(host.strip("[]"))), number))
        except ValueError:
            raise ValueError(f"{part!r:.60} is not an IP address") from None
    return tuple(servers)


LABEL = "_mail-challenge"
SERVERS = Setting(
    "DNS_SERVERS", "", "IP addresses of DNS servers, such as 192.0.2.1:53; empty: those of the machine", _servers, True
)
TXT = Setting("DOMAIN_TXT", LABEL, "Label of the TXT record with a domain's challenge", _label)
MX = Setting("DOMAIN_MX", "", "Hosts that a domain's MX records must name; empty: MX is not checked", _hosts)
CNAMES = Setting("DOMAIN_CNAMES", "", "CNAME records that a domain must have: label=target, ...", _aliases)
SETTINGS = (SERVERS, TXT, MX, CNAMES)


class NoDnsAnswer(Exception):
    """The servers of the domain did not answer."""


class ResolverUnavailable(NotPerformed):
    """Our DNS servers do not answer: no domain can be checked."""


class InvalidName(ValueError):
    """The text is no valid DNS name."""


@dataclass(frozen=True, slots=True)
class Records:
    """Result of a check, by the names that users see.

    For example `MX`, `TXT _mail-challenge`.
    """

    correct: tuple[str, ...]
    missing: tuple[str, ...]
    """Records that are missing or wrong."""


class Dns:
    """Checker of domains, thread-safe."""

    def __init__(self, run: RunContext) -> None:
        self.label: str = run.setting(TXT.name)
        self.mx: frozenset[str] = frozenset(run.setting(MX.name))
        self.aliases: Mapping[str, str] = run.setting(CNAMES.name)
        self._resolver = _resolver(run.setting(SERVERS.name))

    def check(self, domain: str, challenge: str) -> Records:
        """Look up the required records of a domain.

        domain: in ASCII. Raises NoDnsAnswer, ResolverUnavailable and InvalidName.
        """
        results = {f"TXT {self.label}": challenge in self._lookup(f"{self.label}.{domain}", "TXT")}
        if self.mx:
            # No other host may be named: mail that it accepts would not reach us.
            hosts = set(map(_normalized, self._lookup(domain, "MX")))
            results["MX"] = bool(hosts) and hosts <= self.mx
        for label, target in self.aliases.items():
            targets = map(_normalized, self._lookup(f"{label}.{domain}", "CNAME"))
            results[f"CNAME {label}"] = target in targets
        return Records(
            tuple(name for name, correct in results.items() if correct),
            tuple(name for name, correct in results.items() if not correct),
        )

    def _lookup(self, name: str, kind: str) -> Sequence[str]:
        from dns import exception, resolver
        from dns import name as names

        try:
            answer = self._resolver.resolve(name, kind, search=False, lifetime=SECONDS)
        except (resolver.NXDOMAIN, resolver.NoAnswer):
            return ()
        except (resolver.NoNameservers, resolver.LifetimeTimeout) as error:
            raise self._no_answer(f"{kind} of {name}: {type(error).__name__}") from None
        except (names.LabelTooLong, names.NameTooLong, names.EmptyLabel, names.BadEscape, UnicodeError) as error:
            raise InvalidName(f"{name!r:.80}: {error}") from None
        except exception.DNSException as error:
            raise self._no_answer(f"{kind} of {name}: {type(error).__name__}: {error}") from None
        if kind == "TXT":
            return [b"".join(record.strings).decode(errors="replace") for record in answer]
        return [str(record.exchange if kind == "MX" else record.target) for record in answer]

    def _no_answer(self, why: str) -> Exception:
        return NoDnsAnswer(why) if self._available else ResolverUnavailable(f"no DNS server answers: {why}")

    @cached_property
    def _available(self) -> bool:
        """Whether our DNS servers answer a question that any server can answer."""
        from dns import exception, resolver

        try:
            self._resolver.resolve(".", "NS", search=False, lifetime=SECONDS)
        except (resolver.NXDOMAIN, resolver.NoAnswer):
            return True
        except exception.DNSException:
            return False
        return True


def _resolver(servers: Iterable[tuple[str, int]]) -> Resolver:
    from dns.nameserver import Do53Nameserver, Nameserver
    from dns.resolver import Resolver

    nameservers: list[str | Nameserver] = [Do53Nameserver(host, port) for host, port in servers]
    resolver = Resolver(configure=not nameservers)
    if nameservers:
        resolver.nameservers = nameservers
    return resolver


def _normalized(name: str) -> str:
    """Normalize a name that DNS answered, which is ASCII."""
    return name.rstrip(".").lower()
