"""Parser of an HTML page: its visible text, links and forms.

The tokens are those of libxml2, as the HTML standard has them, in linear time. No tree is built: the algorithm of the
standard is quadratic in the depth of a page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar
from urllib.parse import urldefrag, urljoin, urlsplit

from functions.sites._form import Control, Form, form_of

# Elements without visible text.
INVISIBLE = frozenset(("script", "style", "template", "noscript", "iframe", "object"))
# Elements whose content is not part of the page at all.
INERT = frozenset(("template", "noscript", "iframe"))
# Inline elements; any other tag ends a word.
INLINE = frozenset(
    ("a", "b", "bdi", "bdo", "em", "font", "i", "s", "small", "span", "strong", "sub", "sup", "u", "wbr")
)
# ASCII whitespace and controls, which URL parsers strip.
STRIPPED = "".join(map(chr, range(33)))


class HtmlPage:
    """HTML page with its links and forms.

    links: absolute URLs without fragments, each once, in order. url: URL of the page.
    """

    def __init__(self, html: str, url: str) -> None:
        from lxml.etree import HTMLParser

        self.url = url
        tokens = _Tokens()
        # The time is linear with huge_tree too: its limits protect the trees that libxml2 builds.
        parser = HTMLParser(target=tokens, encoding="utf-8", huge_tree=True)
        if html:
            parser.feed(html.encode("utf-8", "replace"))
            parser.close()
        self.text = " ".join("".join(tokens.text).split())
        self._base = self._base_url(tokens.base)
        self.links = list(dict.fromkeys(filter(None, map(self._absolute, tokens.hrefs))))
        self.forms = [self._form(each) for each in tokens.forms()]

    @property
    def sign_in(self) -> Form | None:
        """The form with a password field that most probably signs in."""
        candidates = [form for form in self.forms if form.password]
        return max(candidates, key=lambda form: form.likelihood, default=None)

    def _base_url(self, href: str | None) -> str:
        """Base of relative links: the first `<base href>`, unless invalid."""
        base = resolved(self.url, href or "")
        return base if urlsplit(base).scheme in ("http", "https") else self.url

    def _absolute(self, reference: str) -> str:
        return urldefrag(resolved(self._base, reference)).url

    def _form(self, form: Form) -> Form:
        # An empty action is the page itself, not the base.
        form.action = self._absolute(form.action) if form.action.strip(STRIPPED) else urldefrag(self.url).url
        return form


class _Tokens:
    """Receiver of the parser's events."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.hrefs: list[str] = []
        self.base: str | None = None
        self.controls: list[tuple[Control, int | None]] = []
        self._forms: list[dict[str, str]] = []
        self._form: int | None = None
        self._invisible: list[str] = []
        self._inert = 0
        self._disabled: list[bool] = []
        self._select: tuple[Control, list[Control]] | None = None
        self._content: list[str] | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag not in INLINE:
            self.text.append(" ")
        if tag in INVISIBLE:
            self._invisible.append(tag)
            self._inert += tag in INERT
        if self._inert:
            return
        handler = self.HANDLERS.get(tag)
        if handler:
            handler(self, attributes)

    def end(self, tag: str) -> None:
        if tag not in INLINE:
            self.text.append(" ")
        if tag in INVISIBLE and self._invisible:
            self._invisible.pop()
            self._inert -= tag in INERT
        if self._inert:
            return
        if tag == "form":
            self._form = None
        elif tag == "fieldset" and self._disabled:
            self._disabled.pop()
        elif tag == "select" and self._select:
            self._end_select()
        elif tag in ("textarea", "option", "button"):
            self._end_content(tag)

    def data(self, text: str) -> None:
        if not self._invisible:
            self.text.append(text)
        if self._content is not None:
            self._content.append(text)

    def close(self) -> None:
        """End the page; the events up to here are its content."""

    def forms(self) -> list[Form]:
        """Forms with the controls inside, and those that name their id."""
        ids: dict[str, int] = {}
        for number, attributes in enumerate(self._forms):
            ids.setdefault(attributes.get("id", ""), number)
        owned: list[list[Control]] = [[] for _ in self._forms]
        for control, inside in self.controls:
            owner = inside if control.form_id is None else ids.get(control.form_id) if control.form_id else None
            if owner is not None:
                owned[owner].append(control)
        return [form_of(attributes, owned[number]) for number, attributes in enumerate(self._forms)]

    def _start_link(self, attributes: dict[str, str]) -> None:
        if "href" in attributes:
            self.hrefs.append(attributes["href"])

    def _start_base(self, attributes: dict[str, str]) -> None:
        if self.base is None and "href" in attributes:
            self.base = attributes["href"]

    def _start_form(self, attributes: dict[str, str]) -> None:
        # A form inside of a form is ignored.
        if self._form is None:
            self._form = len(self._forms)
            self._forms.append(dict(attributes))

    def _start_fieldset(self, attributes: dict[str, str]) -> None:
        # With the state of the fieldset around it: asking all of them for each control would be quadratic.
        self._disabled.append("disabled" in attributes or any(self._disabled[-1:]))

    def _start_input(self, attributes: dict[str, str]) -> None:
        kind = attributes.get("type", "").strip().lower() or "text"
        checkable = kind in ("checkbox", "radio")
        control = self._control(kind, attributes, attributes.get("value", "on" if checkable else ""))
        if checkable and "checked" not in attributes:
            control.sent = False

    def _start_button(self, attributes: dict[str, str]) -> None:
        kind = attributes.get("type", "").strip().lower()
        self._control(kind if kind in ("button", "reset") else "submit", attributes, attributes.get("value", ""))
        self._content = []

    def _start_textarea(self, attributes: dict[str, str]) -> None:
        self._control("textarea", attributes, "")
        self._content = []

    def _start_select(self, attributes: dict[str, str]) -> None:
        self._select = self._control("select", attributes, ""), []

    def _start_option(self, attributes: dict[str, str]) -> None:
        if self._select is None:
            return
        self._end_content("option")
        option = Control("option", value=attributes.get("value", ""), attributes=dict(attributes))
        option.sent = "selected" in attributes
        self._select[1].append(option)
        self._content = []

    def _control(self, kind: str, attributes: dict[str, str], value: str) -> Control:
        control = Control(kind, attributes.get("name", ""), value, attributes.get("form"), attributes=dict(attributes))
        control.sent = "disabled" not in attributes and not any(self._disabled[-1:])
        self.controls.append((control, self._form))
        return control

    def _end_content(self, tag: str) -> None:
        if self._content is None:
            return
        content, self._content = "".join(self._content), None
        if tag == "textarea":
            self.controls[-1][0].value = content.removeprefix("\n")
        elif tag == "button":
            self.controls[-1][0].label = " ".join(content.split())
        elif tag == "option" and self._select and "value" not in self._select[1][-1].attributes:
            self._select[1][-1].value = " ".join(content.split())

    def _end_select(self) -> None:
        """Replace a select by its selected options, or by the first one."""
        select, options = self._select or (Control("select"), [])
        self._end_content("option")
        self._select = None
        chosen = [each for each in options if each.sent]
        enabled = [each for each in options if "disabled" not in each.attributes]
        if "multiple" not in select.attributes:
            chosen = chosen[-1:] or enabled[:1]
        chosen = [each for each in chosen if "disabled" not in each.attributes]
        sent, select.sent = select.sent, False
        for option in chosen:
            entry = Control("select", select.name, option.value, select.form_id, sent, attributes=select.attributes)
            self.controls.append((entry, self._form))

    HANDLERS: ClassVar[dict[str, Callable[[_Tokens, dict[str, str]], None]]] = {
        "a": _start_link,
        "area": _start_link,
        "base": _start_base,
        "form": _start_form,
        "fieldset": _start_fieldset,
        "input": _start_input,
        "button": _start_button,
        "textarea": _start_textarea,
        "select": _start_select,
        "option": _start_option,
    }


def resolved(base: str, reference: str) -> str:
    """Resolve a reference as browsers do.

    Returns an empty text for an invalid one.
    """
    reference = reference.strip(STRIPPED).replace("\t", "").replace("\n", "").replace("\r", "")
    path, mark, rest = _split_query(reference)
    try:
        joined = urljoin(base, path.replace("\\", "/") + mark + rest)
        parts = urlsplit(joined)
        _ = parts.port
    except ValueError:
        return ""
    if parts.scheme in ("http", "https") and (not parts.hostname or any(mark in parts.netloc for mark in ' <>^|"{}`')):
        return ""
    return joined


def _split_query(reference: str) -> tuple[str, str, str]:
    """Split a reference before its query or fragment."""
    at = min((found for mark in "?#" if (found := reference.find(mark)) >= 0), default=len(reference))
    return reference[:at], reference[at : at + 1], reference[at + 1 :]
