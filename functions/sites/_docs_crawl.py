"""Crawl of all docs: each site's index page, then its links.

Only links to the same site are followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urldefrag, urlsplit

from functions.sites._page import HtmlPage
from shared.concurrency import fan_out
from shared.http.client import HostBusy, HostNotAllowed, HttpClient, NoResponse
from shared.http.sites import Site, host_of
from shared.job import RunContext

WIDTH = 8
TRIES = 2
PAUSE = 2.0
# Seconds for one link, all tries together.
PATIENCE = 60.0
# Dead links that the artifact and the checkpoint name.
NAMED = 50


class DocsCrawl:
    """Crawl in the order of hosts, then of links.

    The order lets a checkpoint survive changes of the pages.

    dead: reasons by link that does not work, in this part. dead_before: in the parts before, up to NAMED.
    rest: checkpoint of a crawl that ended early.
    """

    def __init__(self, run: RunContext, sites: list[Site], path: str) -> None:
        resume: dict[str, Any] = run.checkpoint or {}
        self.run = run
        self.path = path
        self.after: list[str] = resume.get("after", ["", ""])
        before = resume.get("dead", {})
        # A checkpoint of an earlier version has their number only.
        self.dead_before: dict[str, str] = (
            before if isinstance(before, dict) else {f"{before} links of earlier parts": "not named"} if before else {}
        )
        self.waiting = [site for site in sites if site.host >= self.after[0]]
        self.dead: dict[str, str] = {}
        self.sites = 0
        self.links = 0
        self._left: list[str] | None = None

    @property
    def rest(self) -> dict[str, Any] | None:
        return {"after": self._left, "dead": dict(sorted(self.all_dead.items())[:NAMED])} if self._left else None

    @property
    def all_dead(self) -> dict[str, str]:
        """Reasons by link that does not work, in all parts."""
        return {**self.dead_before, **self.dead}

    def walk(self, http: HttpClient) -> None:
        for site in self.waiting:
            if self.sites and (self.links >= self.run.cap or self.run.time_for_more() < 2 * PATIENCE):
                self._left = [site.host, ""]
                return
            self.sites += 1
            index = site.at(self.path)
            try:
                links = self._index(http, site, index)
            except NoResponse as error:
                self.dead[_without_query(index)] = str(error)
                continue
            self._check(http, site, [link for link in links if [site.host, link] > self.after])
            if self._left:
                return

    def _index(self, http: HttpClient, site: Site, url: str) -> list[str]:
        """Links of the index to the same site, sorted.

        Raises NoResponse if the page is missing or has no links.
        """
        fault = ""
        for _ in self._tries():
            try:
                answer = http.call("GET", url)
            except NoResponse as error:
                fault = fault or str(error)
                continue
            # A link to the index itself, such as one to a part of it, leads to no documentation.
            found = {*HtmlPage(answer.text, answer.url).links} - {_page(url), _page(answer.url)}
            links = sorted(link for link in found if _same_site(link, site))
            if answer.status == 200 and links:
                return links
            fault = "links to nothing" if answer.status == 200 else f"answered {answer.status}"
        raise NoResponse(fault)

    def _check(self, http: HttpClient, site: Site, links: list[str]) -> None:
        checked = 0
        for link, fault in fan_out(
            partial(self._fault, http),
            links[: self.run.cap - self.links],
            width=WIDTH,
            patience=PATIENCE,
            remaining=self.run.time_for_more,
        ):
            checked += 1
            self.run.spend(items=1)
            if fault:
                self.dead[_without_query(link)] = str(fault)
        self.links += checked
        if checked < len(links):
            self._left = [site.host, links[checked - 1]]

    def _fault(self, http: HttpClient, link: str) -> str:
        """Error of a link; empty if it works.

        Falls back to GET for sites without HEAD.
        """
        fault = ""
        for _ in self._tries():
            for method in ("HEAD", "GET"):
                try:
                    status = http.call(method, link).status
                except (HostBusy, HostNotAllowed):
                    # The site answers: it is over its rate limit, or redirects to a host that is not allowed.
                    return fault
                except NoResponse as error:
                    fault = str(error)
                    continue
                if status < 400 or status == 429:
                    return ""
                fault = f"answered {status}"
        return fault

    def _tries(self) -> Iterator[int]:
        for number in range(TRIES):
            if number:
                self.run.cloud.clock.sleep(PAUSE)
            yield number


def _page(url: str) -> str:
    return urldefrag(url).url


def _same_site(link: str, site: Site) -> bool:
    try:
        return host_of(link) == site.host
    except ValueError:
        return False


def _without_query(url: str) -> str:
    """The URL without its query, which may contain personal data."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}"[:200]
