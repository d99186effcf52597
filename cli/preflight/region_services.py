"""Services that the region lacks."""

from __future__ import annotations

from collections.abc import Iterator

from cli.preflight.change import Change
from infra import regions
from infra.finding import Finding, refused

CHECK = "region"


def check(change: Change) -> Iterator[Finding]:
    if change.region:
        for what, remedy in regions.missing(change.after, change.region):
            yield refused(CHECK, change.region, what, remedy)
