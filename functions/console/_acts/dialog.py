"""Content of the dialog: preview with its form, result, refusal."""

from __future__ import annotations

from htpy import Element, Node, a, button, div, form, h2, label, li, option, p, select, ul
from htpy import input as input_element

from functions.console._acts.preview import Frozen, Preview
from functions.console._html import tables
from functions.console._view import View, link
from shared.text.human import counted

ENDS = (("", "until it is resumed"), ("1h", "1 hour"), ("4h", "4 hours"), ("1d", "1 day"), ("7d", "7 days"))
SHOWN_ITEMS = 8


def dialog(view: View, preview: Preview, frozen: Frozen, sealed: str, error: str, back: str) -> Element:
    """The preview and its confirmation."""
    required = preview.reason or preview.count > 1 or view.cloud.names.production
    more = preview.count - SHOWN_ITEMS
    return div[
        h2[preview.title],
        p(".error", role="alert")[error] if error else None,
        [p[sentence] for sentence in preview.sentences],
        ul[(li[name] for name, _ in preview.items[:SHOWN_ITEMS]), li[f"and {more} more"] if more > 0 else None],
        p[f"Tenants: {', '.join(preview.tenants[:SHOWN_ITEMS])}"] if preview.tenants else None,
        p(".soft")[f"{counted(preview.count, 'item')} on stage {view.stage}. The equivalent command:"],
        tables.command(preview.command),
        form(".stack", method="post", action=link("act", frozen.act), data_dialog=True)[
            input_element(type="hidden", name="frozen", value=sealed),
            input_element(type="hidden", name="back", value=back),
            label(for_="why")["Reason, for the audit log", "" if required else " (optional)"],
            input_element("#why", name="why", maxlength="300", required=required, autocomplete="off", autofocus=True),
            _until() if preview.until else None,
            _count(preview) if preview.typed else None,
            div(".buttons")[
                button(type="submit", class_="danger" if preview.danger else "main")[preview.verb],
                a(".button", href=back, data_close=True)["Cancel"],
            ],
        ],
    ]


def result(text: str, back: str, title: str = "Done") -> Element:
    return div(data_done=True)[h2[title], p(".done", role="status")[text], _close(back)]


def refusal(text: str, back: str) -> Element:
    return div(data_done=True)[h2["Not done"], p(".error", role="alert")[text], _close(back)]


def incomplete(text: str, back: str) -> Element:
    return div(data_done=True)[h2["Not all was done"], p(".error", role="alert")[text], _close(back)]


def _until() -> Node:
    return [
        label(for_="until")["End"],
        select("#until", name="until")[(option(value=value)[text] for value, text in ENDS)],
    ]


def _count(preview: Preview) -> Node:
    return [
        label(for_="count")[f"Type {preview.count} to confirm the number of items"],
        input_element("#count", name="count", inputmode="numeric", required=True, autocomplete="off"),
    ]


def _close(back: str) -> Element:
    return p[a(".button", href=back, data_close=True, autofocus=True)["Close"]]
