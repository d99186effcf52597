"""The sites that a job works on, from BASE_URLS: what cannot be used is reported and skipped, the rest go on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from shared import redaction
from shared.aws import attributes
from shared.aws.names import NO_TARGET, STATE
from shared.job.outcome import Rejected
from shared.job.settings import BASE_URLS

if TYPE_CHECKING:
    from shared.run.context import RunContext

PORTS = {"http": 80, "https": 443}
HOST = re.compile(r"[a-z0-9]([a-z0-9_.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
LONGEST_URL = 2048
LONGEST_HOST = 253
NAMED = 10


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """host: `shop.example`, or `shop.example:8080` where the port is not the scheme's own: names status and artifacts.

    url: the base, without a slash at the end.
    """

    host: str
    url: str

    def at(self, path: str) -> str:
        return f"{self.url}/{path.lstrip('/')}"


@dataclass(frozen=True, slots=True)
class Sites:
    """valid: in the order of their hosts, each host once. invalid: a sentence for each entry that cannot be used."""

    valid: tuple[Site, ...]
    invalid: tuple[str, ...] = ()

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(target.host for target in self.valid)

    @property
    def useless(self) -> bool:
        """There are entries, and none can be used."""
        return bool(self.invalid) and not self.valid

    @property
    def note(self) -> str:
        if self.invalid:
            return f"{len(self.invalid)} entries of {BASE_URLS.name} cannot be used; the log names them"
        return "" if self.valid else f"{BASE_URLS.name} names no site"


def read(run: RunContext) -> Sites:
    """From BASE_URLS, with a warning in the log for each invalid entry. Raises SettingError where it is no array."""
    found = parse(run.setting(BASE_URLS.name))
    for fault in found.invalid:
        run.log.warning("base_url_invalid", error=fault)
    return found


def parse(entries: Iterable[Any]) -> Sites:
    valid: dict[str, Site] = {}
    invalid: list[str] = []
    for number, entry in enumerate(entries, 1):
        try:
            target = _target(entry)
            taken = valid.setdefault(target.host, target)
            if taken != target:
                raise ValueError(f"has the host of {taken.url}, and a host has one base URL")
        except ValueError as error:
            shown = re.sub(r"//[^/@]*@", "//", entry) if isinstance(entry, str) else repr(entry)
            invalid.append(f"{BASE_URLS.name}, entry {number}, {redaction.sample(shown, 80)!r}: {error}")
    return Sites(tuple(sorted(valid.values())), tuple(invalid))


def chosen(run: RunContext, found: Sites) -> list[Site]:
    """The firing's target, or all. Raises Rejected for a target that BASE_URLS does not name."""
    if run.target == NO_TARGET:
        return list(found.valid)
    named = [target for target in found.valid if target.host == run.target]
    if not named:
        known = ", ".join(found.hosts[:NAMED]) or "none"
        raise Rejected(f"{run.target!r} is no host of {BASE_URLS.name}; its hosts are {known}")
    return named


def forget(run: RunContext, found: Sites, hosts: Iterable[str]) -> list[str]:
    """Remove the status of hosts that are not among these any more, so that nobody is shown or told of them for ever.

    Nothing is removed by a run that is not for all hosts, or where an entry cannot be used: it may be one of them.
    """
    if found.invalid or run.target != NO_TARGET or run.firing.manual or not run.firing.fresh:
        return []
    table, gone = run.cloud.names.table(STATE), []
    pages = run.cloud.dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="pk = :pk",
        ProjectionExpression="pk, sk, #at",
        ExpressionAttributeNames={"#at": "at"},
        ExpressionAttributeValues=attributes.row({":pk": f"{run.job.key}:last"}),
    )
    kept = {NO_TARGET, *hosts}
    for item in (attributes.plain(item) for page in pages for item in page["Items"]):
        if item["sk"] in kept or "at" not in item:
            continue
        with suppress(run.cloud.ConditionalCheckFailed):
            run.cloud.dynamodb.delete_item(
                TableName=table,
                Key=attributes.row({"pk": item["pk"], "sk": item["sk"]}),
                ConditionExpression="#at = :at",
                ExpressionAttributeNames={"#at": "at"},
                ExpressionAttributeValues=attributes.row({":at": item["at"]}),
            )
            run.log.info("target_forgotten", entityId=item["sk"], note=f"its last status was of {item['at']}")
            gone.append(item["sk"])
    return gone


def awake(run: RunContext, sites: Iterable[Site]) -> tuple[list[Site], dict[str, str]]:
    """Those to work on; and of each that is paused, by its host, who paused it and why. They are logged."""
    going, held = [], {}
    for site in sites:
        told = run.paused(target=site.host)
        if told:
            held[site.host] = told
            run.log.info("target_paused", entityId=site.host, status="paused", note=told)
        else:
            going.append(site)
    return going, held


def told(held: Mapping[str, str]) -> str:
    """`2 paused: a.example (ada: rebuild), b.example (bob: moved)`, empty where none is."""
    named = ", ".join(f"{host} ({why})" for host, why in sorted(held.items())[:NAMED])
    return f"{len(held)} paused: {named}" if held else ""


def host_of(url: str) -> str:
    """The host as it names things: lower case, in its ASCII form, with a port that is not the scheme's own.

    Raises ValueError, which says what is wrong with the URL.
    """
    return _host(urlsplit(url))


def _host(parts: SplitResult) -> str:
    if parts.scheme not in PORTS:
        raise ValueError("begins with neither https:// nor http://")
    name = (parts.hostname or "").rstrip(".")
    if not name.isascii():
        name = name.encode("idna").decode()
    name = f"[{name}]" if ":" in name else name
    if not HOST.fullmatch(name) or ".." in name or len(name) > LONGEST_HOST:
        raise ValueError("names no host that can be")
    port = parts.port
    if port == 0:
        raise ValueError("has port 0")
    return name if port in (None, PORTS[parts.scheme]) else f"{name}:{port}"


def _target(entry: Any) -> Site:
    if not isinstance(entry, str):
        raise ValueError("is not text")
    text = entry.strip()
    if len(text) > LONGEST_URL:
        raise ValueError(f"is longer than {LONGEST_URL} characters")
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("has a space or a control character in it")
    parts = urlsplit(text)
    host = _host(parts)
    if "@" in parts.netloc:
        raise ValueError("carries credentials; those belong into the secret store")
    if "?" in text or "#" in text:
        raise ValueError("has a query or a fragment; give the base alone")
    return Site(host, f"{parts.scheme}://{host}{parts.path.rstrip('/')}")
