"""One walk over the docs of all sites: each index, then each of its links to its own site."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from functions.sites._page import Page
from shared.concurrency import fan_out
from shared.http.client import HostBusy, HostNotAllowed, HttpClient, NoResponse
from shared.http.sites import Site, host_of
from shared.job import RunContext

WIDTH = 8
ASKS = 2
PAUSE = 2.0
# Seconds for one link, all asks together.
PATIENCE = 60.0


class Survey:
    """Goes in the order of hosts, and of links within one, so that a checkpoint holds although pages may change.

    dead: what is not there -> why. rest: the checkpoint of a walk that ended early.
    """

    def __init__(self, run: RunContext, sites: list[Site], path: str) -> None:
        resume: dict[str, Any] = run.checkpoint or {}
        self.tick = run
        self.path = path
        self.after: list[str] = resume.get("after", ["", ""])
        self.dead_before: int = resume.get("dead", 0)
        self.waiting = [site for site in sites if site.host >= self.after[0]]
        self.dead: dict[str, str] = {}
        self.sites = 0
        self.links = 0
        self._left: list[str] | None = None

    @property
    def rest(self) -> dict[str, Any] | None:
        return {"after": self._left, "dead": self.dead_before + len(self.dead)} if self._left else None

    def walk(self, http: HttpClient) -> None:
        for site in self.waiting:
            if self.sites and (self.links >= self.tick.cap or self.tick.time_for_more() < 2 * PATIENCE):
                self._left = [site.host, ""]
                return
            self.sites += 1
            index = site.at(self.path)
            try:
                links = self._index(http, site, index)
            except NoResponse as error:
                self.dead[_shown(index)] = str(error)
                continue
            self._check(http, site, [link for link in links if [site.host, link] > self.after])
            if self._left:
                return

    def _index(self, http: HttpClient, site: Site, url: str) -> list[str]:
        """The index's links to its own site, in order. Raises NoResponse where there is no index, or nothing on it."""
        fault = ""
        for _ in self._turns():
            try:
                answer = http.call("GET", url)
            except NoResponse as error:
                fault = fault or str(error)
                continue
            links = sorted(link for link in Page(answer.text, answer.url).links if _own(link, site))
            if answer.status == 200 and links:
                return links
            fault = "links to nothing" if answer.status == 200 else f"answered {answer.status}"
        raise NoResponse(fault)

    def _check(self, http: HttpClient, site: Site, links: list[str]) -> None:
        asked = 0
        for link, fault in fan_out(
            partial(self._fault, http),
            links[: self.tick.cap - self.links],
            width=WIDTH,
            patience=PATIENCE,
            remaining=self.tick.time_for_more,
        ):
            asked += 1
            self.tick.spend(items=1)
            if fault:
                self.dead[_shown(link)] = str(fault)
        self.links += asked
        if asked < len(links):
            self._left = [site.host, links[asked - 1]]

    def _fault(self, http: HttpClient, link: str) -> str:
        """What is wrong with a link; empty where it is alive. Asks for the page where a site does without HEAD."""
        fault = ""
        for _ in self._turns():
            for method in ("HEAD", "GET"):
                try:
                    status = http.call(method, link).status
                except (HostBusy, HostNotAllowed):
                    # It answers; what it asks for is patience, or to be followed to where we do not go.
                    return fault
                except NoResponse as error:
                    fault = str(error)
                    continue
                if status < 400 or status == 429:
                    return ""
                fault = f"answered {status}"
        return fault

    def _turns(self) -> Iterator[int]:
        for turn in range(ASKS):
            if turn:
                self.tick.cloud.clock.sleep(PAUSE)
            yield turn


def _own(link: str, site: Site) -> bool:
    try:
        return host_of(link) == site.host
    except ValueError:
        return False


def _shown(url: str) -> str:
    """Without its query, which may carry what is not ours to keep."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}"[:200]
