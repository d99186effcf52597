"""The sites of a job, from the setting BASE_URLS.

Invalid entries are reported and skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from shared import redaction
from shared.aws.names import NO_TARGET
from shared.job.outcome import Rejected
from shared.job.setting import BASE_URLS
from shared.store import keys, table
from shared.tables import STATE
from shared.text.domain_name import ascii_domain

if TYPE_CHECKING:
    from shared.run.context import RunContext

PORTS = {"http": 80, "https": 443}
MAX_URL = 2048
# Hosts that a note or an error names.
NAMED = 10


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """One site."""

    #: `shop.example`, or `shop.example:8080` for a port other than the default: the key of status and artifacts.
    host: str
    #: The base URL, without a slash at the end.
    url: str

    def at(self, path: str) -> str:
        """The URL of a path below the base."""
        return f"{self.url}/{path.lstrip('/')}"


@dataclass(frozen=True, slots=True)
class Sites:
    """The entries of BASE_URLS, parsed."""

    #: Sorted by host, each host once.
    valid: tuple[Site, ...]
    #: A sentence for each invalid entry.
    invalid: tuple[str, ...] = ()

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(site.host for site in self.valid)

    @property
    def unusable(self) -> bool:
        """Whether there are entries, and all are invalid."""
        return bool(self.invalid) and not self.valid

    @property
    def note(self) -> str:
        if self.invalid:
            return f"{len(self.invalid)} entries of {BASE_URLS.name} cannot be used; the log names them"
        return "" if self.valid else f"{BASE_URLS.name} names no site"


def read(run: RunContext) -> Sites:
    """Read BASE_URLS, and log a warning for each invalid entry.

    Raises SettingError for a value that is no array.
    """
    sites = parse(run.setting(BASE_URLS.name))
    for error in sites.invalid:
        run.log.warning("base_url_invalid", error=error)
    return sites


def configured_hosts(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the hosts that BASE_URLS names (default: of this process).

    Raises SettingError.
    """
    return parse(BASE_URLS.read(environment)).hosts


def parse(entries: Iterable[Any]) -> Sites:
    valid: dict[str, Site] = {}
    invalid: list[str] = []
    for number, entry in enumerate(entries, 1):
        try:
            site = _site(entry)
            first = valid.setdefault(site.host, site)
            if first != site:
                raise ValueError(f"has the host of {first.url}, and a host has one base URL")
        except ValueError as error:
            shown = re.sub(r"//[^/@]*@", "//", entry) if isinstance(entry, str) else repr(entry)
            invalid.append(f"{BASE_URLS.name}, entry {number}, {redaction.sample(shown, 80)!r}: {error}")
    return Sites(tuple(sorted(valid.values())), tuple(invalid))


def select(run: RunContext, sites: Sites) -> list[Site]:
    """The site of the firing's target, or all.

    Raises Rejected for a target that is not in BASE_URLS.
    """
    if run.target == NO_TARGET:
        return list(sites.valid)
    selected = [site for site in sites.valid if site.host == run.target]
    if not selected:
        hosts = ", ".join(sites.hosts[:NAMED]) or "none"
        raise Rejected(f"{run.target!r} is no host of {BASE_URLS.name}; its hosts are {hosts}")
    return selected


def forget_removed(run: RunContext, sites: Sites, hosts: Iterable[str]) -> list[str]:
    """Delete the status of hosts that are not among `hosts`.

    It would be shown and alerted on for ever. Deletes nothing in a run that is not for all hosts, or where an entry is
    invalid: it may be one of those hosts.
    """
    if sites.invalid or run.target != NO_TARGET or run.firing.manual or not run.firing.fresh:
        return []
    rows = table.query(
        run.cloud, STATE, "pk = :pk", {":pk": keys.claims(run.job.key)}, attributes_read=("pk", "sk", "at")
    )
    current, removed = {NO_TARGET, *hosts}, []
    for row in rows:
        if row["sk"] in current or "at" not in row:
            continue
        key = keys.claim(run.job.key, row["sk"])
        # Unless another run has written it since.
        if table.delete(run.cloud, STATE, key, condition="#at = :at", values={":at": row["at"]}, names={"#at": "at"}):
            run.log.info("target_forgotten", entityId=row["sk"], note=f"its last status was of {row['at']}")
            removed.append(row["sk"])
    return removed


def without_paused(run: RunContext, sites: Iterable[Site]) -> tuple[list[Site], dict[str, str]]:
    """Separate paused sites from the others, and log them.

    Returns the sites that are not paused, and operator and reason of the others by host.
    """
    active, paused = [], {}
    for site in sites:
        reason = run.paused(target=site.host)
        if reason:
            paused[site.host] = reason
            run.log.info("target_paused", entityId=site.host, status="paused", note=reason)
        else:
            active.append(site)
    return active, paused


def paused_note(paused: Mapping[str, str]) -> str:
    """Note such as `2 paused: a.example (ada: rebuild), b.example (bob: moved)`.

    Empty without paused sites.
    """
    hosts = ", ".join(f"{host} ({reason})" for host, reason in sorted(paused.items())[:NAMED])
    return f"{len(paused)} paused: {hosts}" if paused else ""


def host_of(url: str) -> str:
    """The host of a URL, in lower case and ASCII.

    With the port, unless it is the default of the scheme.

    Raises ValueError with the reason.
    """
    return _host(urlsplit(url))


def _host(parts: SplitResult) -> str:
    if parts.scheme not in PORTS:
        raise ValueError("begins with neither https:// nor http://")
    name = parts.hostname or ""
    try:
        name = f"[{ip_address(name)}]" if ":" in name else ascii_domain(name)
    except ValueError:
        raise ValueError("has an invalid host name") from None
    port = parts.port
    if port == 0:
        raise ValueError("has port 0")
    return name if port in (None, PORTS[parts.scheme]) else f"{name}:{port}"


def _site(entry: Any) -> Site:
    if not isinstance(entry, str):
        raise ValueError("is not text")
    text = entry.strip()
    if len(text) > MAX_URL:
        raise ValueError(f"is longer than {MAX_URL} characters")
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("contains a space or a control character")
    parts = urlsplit(text)
    host = _host(parts)
    if "@" in parts.netloc:
        raise ValueError("contains credentials; put them into the secret store")
    if "?" in text or "#" in text:
        raise ValueError("has a query or a fragment; give the base URL only")
    return Site(host, f"{parts.scheme}://{host}{parts.path.rstrip('/')}")
