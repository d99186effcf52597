"""View: all that a page needs to be made; Page: the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from urllib.parse import quote

from htpy import Node

from functions.console._request import PageError, Request
from functions.console._session import Session
from shared.advised_commands import advised
from shared.aws.cloud import Cloud
from shared.job.manifest import Entry

UI = "/ui"


@dataclass(frozen=True)
class View:
    """A request for a page by a signed-in person."""

    cloud: Cloud
    entries: Mapping[str, Entry]
    session: Session
    request: Request
    #: The decoded parts of the path after the page's name.
    rest: tuple[str, ...]

    @cached_property
    def now(self) -> datetime:
        return self.cloud.clock.now()

    @property
    def stage(self) -> str:
        return self.cloud.names.stage

    def parameter(self, name: str) -> str:
        """A field of the query; empty by default."""
        return self.request.query.get(name, "").strip()

    def command(self, *words: str) -> str:
        return advised(self.stage, *words)

    def job(self, text: str) -> tuple[str, Entry]:
        """Find a job by its name or id. Raises PageError."""
        names = {entry["id"]: name for name, entry in self.entries.items()}
        name = names.get(text, text)
        if name not in self.entries:
            near = {link("jobs", each): each for each in sorted(self.entries) if text and text[:4] in each}
            raise PageError(
                404,
                f"There is no job {text[:100]!r}. It may have been removed or renamed.",
                {
                    link("jobs"): "All jobs",
                    link("dead", job=text[:100]): "Its dead letters",
                    **dict([*near.items()][:3]),
                },
            )
        return name, self.entries[name]


@dataclass(frozen=True)
class Page:
    """The content of a page."""

    title: str
    body: Node
    #: Failing jobs: counted in the title, and announced when they change; None where the page does not know them.
    failing: tuple[str, ...] | None = None
    #: Whether the page refreshes itself.
    live: bool = False
    status: int = 200


def link(*parts: str, **query: str) -> str:
    """The address of a page: `link("jobs", name)`."""
    path = "/".join((UI, *(quote(part, safe="") for part in parts)))
    given = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items() if value)
    return f"{path}?{given}" if given else path
