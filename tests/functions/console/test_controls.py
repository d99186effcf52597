"""Every link, button and form that a page renders leads to a page or to an act that exists."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from functions.console._acts.confirmation import ACTS
from functions.console._routes import PAGES
from shared.observability import alert_page
from tests.support.console_browser import Person, Seen

FORM = re.compile(r"<form([^>]*)>(.*?)</form>", re.DOTALL)
FIELD = re.compile(r"<(?:input|select|textarea)[^>]* name=\"([^\"]*)\"(?: value=\"([^\"]*)\")?")
# The box of a row, which is outside of its form.
CHOSEN = re.compile(r'<input type="checkbox" name="(chosen)" value="([^"]*)"')
# A row of the seed names a run that left no history.
LOST_RUN = "20260302T113000.000Z-dead"
# Reached first: a page shows more jobs than are followed.
PLANNED = "session-cleanup"
MOST_OF_A_PLACE = 25


def attribute(tag: str, name: str) -> str:
    found = re.search(rf'(?<![\w-]){name}="([^"]*)"', tag)
    return html.unescape(found[1]) if found else ""


@dataclass
class Walk:
    """Follows what pages render, from the navigation on."""

    person: Person
    followed: set[str] = field(default_factory=set)
    previewed: dict[str, Seen] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def start(self) -> None:
        waiting = [f"/ui/{place}" for place in PAGES if place not in ("mails", "runs")] + [f"/ui/jobs/{PLANNED}"]
        for path in waiting:
            if self._wanted(path):
                self.followed.add(path)
                waiting += self._page(path)

    def _wanted(self, path: str) -> bool:
        place = path.split("?")[0].split("/")[2]
        same = sum(each.split("?")[0].split("/")[2] == place for each in self.followed)
        return path not in self.followed and same < MOST_OF_A_PLACE

    def _page(self, path: str) -> list[str]:
        seen = self.person.get(path)
        if seen.status >= 400 and LOST_RUN not in path:
            self.broken.append(f"{path} answers {seen.status}")
        return [*self._links(seen.text), *self._forms(path, seen.text)]

    def _links(self, text: str) -> Iterator[str]:
        for tag in re.findall(r"<a [^>]*>", text):
            if attribute(tag, "href").startswith("/ui"):
                yield attribute(tag, "href")

    def _forms(self, path: str, text: str) -> list[str]:
        pages = []
        for tag, content in FORM.findall(text):
            action, fields = attribute(tag, "action"), dict(FIELD.findall(content))
            if attribute(tag, "method") == "get":
                pages.append(action)
            elif action != "/ui/logout" and attribute(tag, "id") != "row":
                fields = {name: html.unescape(value) for name, value in fields.items()}
                for each in dict.fromkeys([action, *re.findall(r'formaction="([^"]*)"', content)]):
                    chosen = CHOSEN.findall(text)[:1] if attribute(tag, "id") == "chosen" else []
                    # Of the rows of the seed, one is paused.
                    chosen = [("chosen", "docs")] if each.endswith("resume-jobs") else chosen
                    self._act(path, each, fields | dict(chosen))
        for tag in re.findall(r"<button[^>]*>", FORM.sub("", text)):
            if f'<form id="{attribute(tag, "form")}"' not in text:
                self.broken.append(f"{path} has a button outside of a form")
            else:
                fields = {attribute(tag, "name"): attribute(tag, "value"), "back": path}
                self._act(path, attribute(tag, "formaction"), fields)
        return pages

    def _act(self, path: str, action: str, fields: dict[str, str]) -> None:
        _, _, kind, act = action.split("/")
        if kind != "preview" or act not in ACTS:
            self.broken.append(f"{path} has a form for {action}, which does not exist")
        elif unknown := fields.keys() - {*ACTS[act].parameters, "back"}:
            self.broken.append(f"{path}: {action} ignores {sorted(unknown)}")
        elif act not in self.previewed:
            self.previewed[act] = self._previewed(path, action, fields)

    def _previewed(self, path: str, action: str, fields: dict[str, str]) -> Seen:
        seen = self.person.post(action, fields)
        confirmation = {attribute(tag, "action") for tag, _ in FORM.findall(seen.text)} - {"/ui/logout"}
        if seen.status != 200 or confirmation != {action.replace("/preview/", "/act/")}:
            self.broken.append(f"{path}: {action} answers {seen.status}")
        if attribute(next(iter(re.findall(r"<a [^>]*data-close[^>]*>", seen.text)), ""), "href") != fields["back"]:
            self.broken.append(f"{path}: {action} does not lead back")
        return seen


def test_every_control_of_every_page_leads_somewhere(operator: Person) -> None:
    walk = Walk(operator)
    walk.start()
    assert walk.broken == []
    # The walk has met each kind of page, and each act but the resumption of a tenant, which the night has not paused.
    assert {path.split("?")[0].split("/")[2] for path in walk.followed} == {"export", *PAGES} - {"mails"}
    assert walk.previewed.keys() == ACTS.keys() - {"resume-tenant"}


def test_a_viewer_is_offered_no_act(viewer: Person) -> None:
    walk = Walk(viewer)
    walk.start()
    assert (walk.broken, walk.previewed) == ([], {})


def test_the_page_of_each_alert_exists(operator: Person) -> None:
    fields = {"job": PLANNED, "queue": "flagship:usage"}
    for kind in (*alert_page.PATHS, "JOB_FAILING"):
        assert operator.get(alert_page.path(kind, fields)).status == 200, kind
    assert operator.get(alert_page.path("ANY", {})).status == 200
