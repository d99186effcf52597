"""Effects of all jobs whose outcome is unknown."""

from __future__ import annotations

from itertools import islice
from typing import Any

from htpy import Node, a, fragment, p

from functions.console._html import tables, timestamps
from functions.console._html.act_buttons import act, buttons
from functions.console._view import Page, View, link
from shared.admin import effects
from shared.text.human import counted

COLUMNS = ("key", "job", "tenant", "begun", "uncertain since", "run", "what", "acts")
# One query reads them.
MOST = 200


def page(view: View) -> Page:
    """One call."""
    job = view.parameter("job")
    name = view.job(job)[0] if job else ""
    found = effects.uncertain_effects(view.cloud, name) if name else effects.all_uncertain_effects(view.cloud)
    rows = [_row(view, name or str(each["job"]), each) for each in islice(found, MOST)]
    more = "The newest " if len(rows) == MOST else ""
    body = fragment[
        p(".lead")[f"{more}{counted(len(rows), 'effect')} with an unknown outcome."],
        p(".soft")[
            "Each was begun and never confirmed: its run was interrupted, or the answer was lost. "
            "Look at the receiver, then settle it: it was performed, or the next run performs it again."
        ],
        tables.listing("Uncertain effects", COLUMNS, rows, "Every effect is confirmed."),
    ]
    return Page("Effects", body, live=True)


def _row(view: View, name: str, each: dict[str, Any]) -> tuple[Node, ...]:
    key, tenant = str(each["key"]), str(each.get("tenant") or "")
    return (
        key,
        a(href=link("jobs", name))[name],
        a(href=link("tenants", tenant))[tenant] if tenant else "",
        timestamps.at(str(each.get("begun", "")), view.now),
        timestamps.at(str(each.get("since") or ""), view.now),
        a(href=link("runs", name, str(each.get("run", ""))))[str(each.get("run", ""))],
        "; ".join(filter(None, (str(each.get("error", "")), str(each.get("note", ""))))) or "its run was lost",
        buttons(
            act(view, "settle", "It was performed", job=name, key=key, verdict="done"),
            act(view, "settle", "Perform it again", job=name, key=key, verdict="redo"),
        ),
    )
