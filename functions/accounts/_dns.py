"""What a domain's DNS must say, and what of that it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.job import RunContext, Setting, settings

if TYPE_CHECKING:
    from dns.resolver import Resolver

# Seconds for one question, with all that is tried to have it answered.
SECONDS = 8.0
PORT = 53


def _aliases(text: str) -> Mapping[str, str]:
    """`dkim._domainkey=dkim.in.example, mail=mail.in.example`."""
    found = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        label, sign, target = part.partition("=")
        if not sign or not label.strip() or not target.strip():
            raise ValueError("say label=target, as in mail=mail.in.example")
        found[label.strip()] = target.strip()
    return found


SERVERS = settings.names("DNS_SERVERS", "", "Who answers about DNS, as 192.0.2.1:53; empty: as the machine is set up")
TXT = settings.text("DOMAIN_TXT", "_mail-challenge", "The label under which a domain's TXT record holds its challenge")
MX = settings.names("DOMAIN_MX", "", "The hosts that a domain's MX records must name; empty: MX is not asked for")
CNAMES = Setting("DOMAIN_CNAMES", "", "What CNAME records a domain must have: label=target, ...", _aliases)
SETTINGS = (SERVERS, TXT, MX, CNAMES)


class Unanswered(Exception):
    """No server answered, or none could: nothing is known."""


class NoName(ValueError):
    """It is no name that DNS could have."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Records by what they are called to users: those that are right, and those that are not there or wrong."""

    found: tuple[str, ...]
    missing: tuple[str, ...]


class Dns:
    """Safe to share between threads."""

    def __init__(self, run: RunContext) -> None:
        self.label: str = run.setting(TXT.name)
        self.mx: frozenset[str] = frozenset(map(_plain, run.setting(MX.name)))
        self.aliases: Mapping[str, str] = run.setting(CNAMES.name)
        self._resolver = _resolver(run.setting(SERVERS.name))

    def look(self, domain: str, challenge: str) -> Seen:
        """Raises Unanswered and NoName."""
        seen = {f"TXT {self.label}": challenge in self._ask(f"{self.label}.{domain}", "TXT")}
        if self.mx:
            # All of them: mail that another host takes never comes to us.
            named = set(map(_plain, self._ask(domain, "MX")))
            seen["MX"] = bool(named) and named <= self.mx
        for label, target in self.aliases.items():
            seen[f"CNAME {label}"] = _plain(target) in map(_plain, self._ask(f"{label}.{domain}", "CNAME"))
        return Seen(
            tuple(name for name, right in seen.items() if right),
            tuple(name for name, right in seen.items() if not right),
        )

    def _ask(self, name: str, kind: str) -> Sequence[str]:
        from dns import exception, resolver
        from dns import name as names

        try:
            answer = self._resolver.resolve(name, kind, search=False, lifetime=SECONDS)
        except (resolver.NXDOMAIN, resolver.NoAnswer):
            return ()
        except (resolver.NoNameservers, resolver.LifetimeTimeout) as error:
            raise Unanswered(f"{kind} of {name}: {type(error).__name__}") from None
        except (names.LabelTooLong, names.NameTooLong, names.EmptyLabel, names.BadEscape, UnicodeError) as error:
            raise NoName(f"{name!r:.80}: {error}") from None
        except exception.DNSException as error:
            raise Unanswered(f"{kind} of {name}: {type(error).__name__}: {error}") from None
        if kind == "TXT":
            return [b"".join(record.strings).decode(errors="replace") for record in answer]
        return [str(record.exchange if kind == "MX" else record.target) for record in answer]


def _resolver(servers: Iterable[str]) -> Resolver:
    from dns.nameserver import Do53Nameserver, Nameserver
    from dns.resolver import Resolver

    named: list[str | Nameserver] = []
    for server in servers:
        host, _, port = server.rpartition(":") if server.count(":") == 1 else (server, "", "")
        named.append(Do53Nameserver(host, int(port or PORT)))
    made = Resolver(configure=not named)
    if named:
        made.nameservers = named
    return made


def _plain(name: str) -> str:
    return name.rstrip(".").lower()
