"""Audit: who did what, on how many, why, with which end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from htpy import Node, a, button, div, form, fragment, label, p
from htpy import input as input_element

from functions.console._html import tables, timestamps
from functions.console._html.badges import badge
from functions.console._row_limit import limit_sentence, read_newest
from functions.console._view import Page, View, link
from shared.admin import audit
from shared.text.human import counted

COLUMNS = ("when", "who", "what", "on", "items", "why", "end")
# Entries that are searched, and those that are listed.
MOST, LISTED = 500, 100
CUT = limit_sentence(MOST, "entries")


def page(view: View) -> Page:
    """One query for the current month, two with the month before."""
    months = 2 if view.parameter("months") == "2" else 1
    found, cut = matching(view)
    shown = found[:LISTED]
    period = "this month and the last" if months == 2 else "this month"
    body = fragment[
        form(".filters", method="get", action=link("audit"), role="search")[
            div[
                label(for_="q")["Operator, act, job or reason contains"],
                input_element("#q", type="search", name="q", value=view.parameter("q"), maxlength="100"),
            ],
            div[
                label(for_="months")["Months"],
                input_element("#months", name="months", type="number", min="1", max="2", value=str(months)),
            ],
            button(type="submit")["Show"],
        ],
        p(".soft")[
            f"{counted(len(found), 'entry').replace('entrys', 'entries')} of {period}, the newest first"
            f"{f'; the first {LISTED} are listed' if len(found) > LISTED else ''}"
            f"{f'; {CUT}' if cut else ''}."
        ],
        tables.listing("Acts of operators", COLUMNS, (_row(view, entry) for entry in shown), _none(view, cut)),
        p[
            a(href=link("export", "audit", q=view.parameter("q"), months=str(months)), download=True)[
                "Download as JSON Lines"
            ]
        ],
    ]
    return Page("Audit", body)


def matching(view: View) -> tuple[list[dict[str, Any]], bool]:
    """The matching entries, and whether older ones were not read.

    The newest first.
    """
    text = view.parameter("q").lower()
    entries, cut = read_newest(audit.entries(view.cloud, 2 if view.parameter("months") == "2" else 1), MOST)
    return [entry for entry in entries if text in json.dumps(entry, default=str).lower()], cut


def exported(view: View) -> list[dict[str, Any]]:
    """The entries that the query asks for.

    A last row states that the search was cut, if it was.
    """
    found, cut = matching(view)
    return [*found, {"incomplete": CUT}] if cut else found


def _none(view: View, cut: bool) -> str:
    if cut:
        return f"No entry was found; {CUT}."
    return "No entry matches." if view.parameter("q") else "Nobody has changed anything."


def _row(view: View, entry: dict[str, Any]) -> tuple[Node, ...]:
    end = str(entry.get("end", ""))
    return (
        timestamps.at(str(entry["at"]), view.now),
        str(entry.get("who", "")),
        str(entry.get("what", "")),
        ", ".join(_scope(entry.get("scope") or {})),
        str(entry.get("count", "")),
        str(entry.get("reason", "")),
        badge("done") if end == "done" else badge("failed") if end else badge("in progress"),
    )


def _scope(scope: dict[str, Any]) -> Iterator[str]:
    for name, value in scope.items():
        if value not in ("", None):
            yield f"{name} {value}"
