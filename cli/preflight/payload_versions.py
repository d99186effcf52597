"""Deployed payload versions that the new consumers cannot read.

Each queue's template has the versions of its consumer's payload as metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cli.preflight.change import Change, Named, named_resources
from infra.finding import Finding, warning
from infra.payload_metadata import METADATA

CHECK = "payload-version"
QUEUE = "AWS::SQS::Queue"


def check(change: Change) -> Iterator[Finding]:
    for named, problem in unreadable(change):
        yield warning(
            CHECK,
            named.where,
            f"{problem}: messages that wait, are delayed or dead-lettered fail after the deployment",
            "declare the missing upcaster (docs/reference/payloads.md), or let the queue run empty before",
        )


def unreadable(change: Change) -> Iterator[tuple[Named, str]]:
    """Queues whose messages of the deployed version the new consumer cannot read."""
    after = {named.name: _payload(named) for named in named_resources(change.after, QUEUE)}
    for named in named_resources(change.before, QUEUE):
        old, new = _payload(named), after.get(named.name)
        if not old or not new:
            continue
        if old["type"] != new["type"]:
            yield named, f"the payload of {named.name} was {old['type']} and is {new['type']} now"
            continue
        lost = sorted({old["version"], *old["reads"]} - {*new["reads"]})
        if lost:
            yield named, f"{new['type']} in version {', '.join(map(str, lost))} has no upcaster to {new['version']}"


def _payload(named: Named) -> Mapping[str, Any]:
    payload: Mapping[str, Any] = named.resource.get("Metadata", {}).get(METADATA) or {}
    return payload
