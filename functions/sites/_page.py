"""Parser of an HTML page: its visible text, links and forms."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin

HIDDEN = frozenset(("script", "style", "template", "noscript"))
# Inline elements; any other tag ends a word.
INLINE = frozenset(("a", "b", "em", "i", "small", "span", "strong", "sub", "sup"))


@dataclass(slots=True)
class Form:
    """One form of a page."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    """Default value of each field, by name."""
    user: str = ""
    """Name of the field for the user name; empty without one."""
    password: str = ""
    """Name of the password field; empty without one."""


class HtmlPage(HTMLParser):
    """HTML page with its links.

    links: absolute URLs without fragments, each once, in order. url: base of relative links.
    """

    def __init__(self, html: str, url: str) -> None:
        super().__init__()
        self.url = url
        self.links: list[str] = []
        self.forms: list[Form] = []
        self._text: list[str] = []
        self._hidden = 0
        self._form: Form | None = None
        # Not closed: close() parses a broken end of the page again and again.
        self.feed(html)
        self.links = list(dict.fromkeys(self.links))

    @property
    def text(self) -> str:
        return " ".join("".join(self._text).split())

    @property
    def sign_in(self) -> Form | None:
        """The first form with a password field."""
        return next((form for form in self.forms if form.password), None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag in HIDDEN:
            self._hidden += 1
        if tag not in INLINE:
            self._text.append(" ")
        if tag == "a" and "href" in attributes:
            self._link(attributes["href"])
        elif tag == "form":
            action = self._absolute(attributes.get("action", "")) or self.url
            self._form = Form(action, attributes.get("method", "get").lower())
            self.forms.append(self._form)
        elif tag == "input" and self._form is not None:
            _add_field(self._form, attributes)

    def handle_endtag(self, tag: str) -> None:
        if tag in HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        if tag == "form":
            self._form = None
        if tag not in INLINE:
            self._text.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
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


def _add_field(form: Form, attributes: dict[str, str]) -> None:
    name, kind = attributes.get("name", ""), attributes.get("type", "text").lower()
    if not name:
        return
    if kind == "password":
        form.password = form.password or name
    elif kind in ("text", "email", "tel"):
        form.user = form.user or name
    if kind not in ("submit", "button", "image", "reset", "file", "checkbox", "radio"):
        form.fields[name] = attributes.get("value", "")
