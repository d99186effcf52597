"""What a person would see of a page of HTML: its text, its links, its forms."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin

UNSEEN = frozenset(("script", "style", "template", "noscript"))
# What runs on within a line; any other tag ends a word.
INLINE = frozenset(("a", "b", "em", "i", "small", "span", "strong", "sub", "sup"))


@dataclass(slots=True)
class Form:
    """fields: name -> value as the page gives it. user, password: names of the fields to fill in, empty without."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    user: str = ""
    password: str = ""


class Page(HTMLParser):
    """links: absolute, without fragments, each once, in their order. url is what they are relative to."""

    def __init__(self, html: str, url: str) -> None:
        super().__init__()
        self.url = url
        self.links: list[str] = []
        self.forms: list[Form] = []
        self._text: list[str] = []
        self._unseen = 0
        self._form: Form | None = None
        # No close(): it would read what is left of a broken end again and again.
        self.feed(html)
        self.links = list(dict.fromkeys(self.links))

    @property
    def text(self) -> str:
        return " ".join("".join(self._text).split())

    @property
    def sign_in(self) -> Form | None:
        """The first form that asks for a password."""
        return next((form for form in self.forms if form.password), None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in UNSEEN:
            self._unseen += 1
        if tag not in INLINE:
            self._text.append(" ")
        if tag == "a" and "href" in given:
            self._link(given["href"])
        elif tag == "form":
            self._form = Form(self._absolute(given.get("action", "")) or self.url, given.get("method", "get").lower())
            self.forms.append(self._form)
        elif tag == "input" and self._form is not None:
            _add(self._form, given)

    def handle_endtag(self, tag: str) -> None:
        if tag in UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        if tag == "form":
            self._form = None
        if tag not in INLINE:
            self._text.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._text.append(data)

    def _link(self, href: str) -> None:
        absolute = self._absolute(href)
        if absolute:
            self.links.append(absolute)

    def _absolute(self, reference: str) -> str:
        try:
            return urldefrag(urljoin(self.url, reference.strip())).url
        except ValueError:
            return ""


def _add(form: Form, given: dict[str, str]) -> None:
    name, kind = given.get("name", ""), given.get("type", "text").lower()
    if not name:
        return
    if kind == "password":
        form.password = form.password or name
    elif kind in ("text", "email", "tel"):
        form.user = form.user or name
    if kind not in ("submit", "button", "image", "reset", "file", "checkbox", "radio"):
        form.fields[name] = given.get("value", "")
