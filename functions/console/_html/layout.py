"""Frame of every page: bar, navigation, main part, live region."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import quote

from htpy import (
    Element,
    Node,
    Renderable,
    a,
    body,
    button,
    details,
    dialog,
    div,
    form,
    fragment,
    h1,
    head,
    header,
    html,
    li,
    main,
    meta,
    nav,
    p,
    script,
    span,
    summary,
    title,
    ul,
)
from htpy import (
    link as link_element,
)
from markupsafe import Markup

from functions.console import _assets
from functions.console._session import Session
from functions.console._view import Page, link
from shared.aws.names import LOCAL, Names

# Path, text, and the second key of its shortcut.
PLACES = (
    ("now", "Now", "n"),
    ("jobs", "Jobs", "j"),
    ("failures", "Failures", "f"),
    ("dead", "Dead letters", "d"),
    ("queues", "Queues", "q"),
    ("effects", "Effects", "e"),
    ("tenants", "Tenants", "t"),
    ("schedule", "Schedule", "s"),
    ("cost", "Cost", "c"),
    ("audit", "Audit", "a"),
)
LOCAL_PLACES = (("mails", "Mails", "m"),)
# Without inline styles and eval, which the policy forbids; a 304 changes nothing.
HTMX = {
    "includeIndicatorStyles": False,
    "allowEval": False,
    "allowScriptTags": False,
    "historyCacheSize": 0,
    "selfRequestsOnly": True,
    "responseHandling": [
        {"code": "204|304", "swap": False},
        {"code": "[23]..", "swap": True},
        {"code": "40[49]|422", "swap": True},
        {"code": "[45]..", "swap": False, "error": True},
    ],
}


def document(page: Page, shown: Markup, place: str, session: Session, names: Names, url: str) -> Renderable:
    """The whole page around its rendered content."""
    return html(lang="en")[
        _head(page, names),
        body(class_=f"stage-{'prod' if names.production else 'other'}", data_place=place, hx_ext="morph")[
            a(".skip", href="#main")["Skip to the content"],
            _bar(place, session, names),
            main(
                "#main",
                tabindex="-1",
                data_live="true" if page.live else None,
                data_etag=etag(shown),
                data_url=url,
            )[shown],
            div("#live", role="status", aria_live="polite", class_="sr"),
            dialog("#dialog", aria_label="Confirm")[div("#dialog-body")],
        ],
    ]


def etag(shown: Markup) -> str:
    """The ETag of a page: that of its content."""
    return f'"{hashlib.sha256(shown.encode()).hexdigest()[:32]}"'


def content(page: Page) -> Markup:
    """The part that a refresh replaces, rendered."""
    parts = fragment[
        div(
            "#state",
            hidden=True,
            data_failing=" ".join(page.failing or ()),
            data_title=full_title(page),
            data_icon=icon(len(page.failing or ()), False),
        ),
        h1[page.title],
        page.body,
    ]
    return Markup(str(parts))


def full_title(page: Page) -> str:
    count = f"({len(page.failing)}) " if page.failing else ""
    return f"{count}{page.title} · Nightshift"


def plain(name: str, *parts: Node, names: Names) -> Renderable:
    """A page without navigation, for people who are not signed in."""
    return html(lang="en")[
        _head(Page(name, ""), names),
        body(class_=f"stage-{'prod' if names.production else 'other'}")[
            main("#main", class_="narrow")[h1[name], parts]
        ],
    ]


def error_body(message: str, links: dict[str, str]) -> Node:
    return fragment[p(".empty")[message], ul[(li[a(href=to)[text]] for to, text in links.items())]]


def _head(page: Page, names: Names) -> Element:
    return head[
        meta(charset="utf-8"),
        meta(name="viewport", content="width=device-width, initial-scale=1"),
        meta(name="color-scheme", content="light dark"),
        meta(name="htmx-config", content=json.dumps(HTMX)),
        title[full_title(page)],
        link_element("#icon", rel="icon", href=icon(len(page.failing or ()), names.production)),
        link_element(rel="stylesheet", href=_assets.address(_assets.STYLE)),
        (script(src=_assets.address(name), defer=True) for name in _assets.SCRIPTS),
    ]


def icon(failing: int, production: bool) -> str:
    """The icon, with the number of failing jobs."""
    colour = "b3261e" if failing else "1f6f43"
    text = str(min(failing, 99)) if failing else "N"
    shape = f"<rect width='32' height='32' rx='{2 if production else 8}' fill='#{colour}'/>"
    letter = (
        f"<text x='16' y='23' font-size='19' font-family='sans-serif' fill='#fff' text-anchor='middle'>{text}</text>"
    )
    image = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'>{shape}{letter}</svg>"
    return f"data:image/svg+xml,{quote(image)}"


def _bar(place: str, session: Session, names: Names) -> Element:
    """Navigation; the script fills the views that this browser has saved."""
    places = (*PLACES, *(LOCAL_PLACES if names.stage == LOCAL else ()))
    word = "PRODUCTION" if names.production else names.stage
    return header(".bar")[
        div(".brand")[
            a(href=link("now"))["Nightshift"],
            span(".stage", title=f"account {names.account}, {names.region}")[word],
        ],
        nav(aria_label="Pages")[
            ul[
                (
                    li[a(href=link(path), data_key=key, aria_current="page" if path == place else None)[text]]
                    for path, text, key in places
                )
            ]
        ],
        div(".who")[
            span(".account")[f"{names.account} {names.region}"],
            details("#views", hidden=True)[summary["Views"], ul],
            span("#freshness")["as of this load"],
            a(href=link("help"))["Help"],
            span[f"{session.who} ({session.role})"],
            form(method="post", action=link("logout"))[button(type="submit", class_="quiet")["Sign out"]],
        ],
    ]
