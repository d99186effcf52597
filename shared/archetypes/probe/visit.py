"""Visit of a probe to one site: input, verdict and result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.http.client import HttpClient, HttpResponse
    from shared.http.sites import Site
    from shared.run.context import RunContext


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a site is healthy."""

    ok: bool
    note: str = ""
    """Reason for a bad verdict, for people."""
    seen: Mapping[str, Any] = field(default_factory=dict)
    """Details for the artifact; text is cut at 512 characters."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Input of one try to fetch a site."""

    run: RunContext
    http: HttpClient
    site: Site
    url: str


@dataclass(frozen=True, slots=True)
class VisitResult:
    """Result of one try."""

    verdict: Verdict
    answer: HttpResponse | None
    """None if the site did not answer."""
    ms: int
