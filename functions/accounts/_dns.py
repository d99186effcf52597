"""DNS check of a user's domain.

The required records are compared with the answers of DNS servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.job import RunContext, Setting, settings

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
        aliases[label.strip()] = target.strip()
    return aliases


SERVERS = settings.names(
    "DNS_SERVERS", "", "DNS servers, such as 192.0.2.1:53; empty: those of the machine", external=True
)
TXT = settings.text("DOMAIN_TXT", "_mail-challenge", "Label of the TXT record with a domain's challenge")
MX = settings.names("DOMAIN_MX", "", "Hosts that a domain's MX records must name; empty: MX is not checked")
CNAMES = Setting("DOMAIN_CNAMES", "", "CNAME records that a domain must have: label=target, ...", _aliases)
SETTINGS = (SERVERS, TXT, MX, CNAMES)


class NoDnsAnswer(Exception):
    """No server answered, so nothing is known about the records."""


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
        self.mx: frozenset[str] = frozenset(map(_normalized, run.setting(MX.name)))
        self.aliases: Mapping[str, str] = run.setting(CNAMES.name)
        self._resolver = _resolver(run.setting(SERVERS.name))

    def check(self, domain: str, challenge: str) -> Records:
        """Look up the required records of a domain. Raises NoDnsAnswer and InvalidName."""
        results = {f"TXT {self.label}": challenge in self._lookup(f"{self.label}.{domain}", "TXT")}
        if self.mx:
            # No other host may be named: mail that it accepts would not reach us.
            hosts = set(map(_normalized, self._lookup(domain, "MX")))
            results["MX"] = bool(hosts) and hosts <= self.mx
        for label, target in self.aliases.items():
            targets = map(_normalized, self._lookup(f"{label}.{domain}", "CNAME"))
            results[f"CNAME {label}"] = _normalized(target) in targets
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
            raise NoDnsAnswer(f"{kind} of {name}: {type(error).__name__}") from None
        except (names.LabelTooLong, names.NameTooLong, names.EmptyLabel, names.BadEscape, UnicodeError) as error:
            raise InvalidName(f"{name!r:.80}: {error}") from None
        except exception.DNSException as error:
            raise NoDnsAnswer(f"{kind} of {name}: {type(error).__name__}: {error}") from None
        if kind == "TXT":
            return [b"".join(record.strings).decode(errors="replace") for record in answer]
        return [str(record.exchange if kind == "MX" else record.target) for record in answer]


def _resolver(servers: Iterable[str]) -> Resolver:
    from dns.nameserver import Do53Nameserver, Nameserver
    from dns.resolver import Resolver

    nameservers: list[str | Nameserver] = []
    for server in servers:
        host, _, port = server.rpartition(":") if server.count(":") == 1 else (server, "", "")
        nameservers.append(Do53Nameserver(host, int(port or PORT)))
    resolver = Resolver(configure=not nameservers)
    if nameservers:
        resolver.nameservers = nameservers
    return resolver


def _normalized(name: str) -> str:
    return name.rstrip(".").lower()
