"""Tenant: what failed for one organization, and its pauses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from htpy import Element, Node, a, button, div, form, fragment, label, p
from htpy import input as input_element

from functions.console._html import tables, timestamps
from functions.console._html.act_buttons import act, buttons
from functions.console._html.badges import badge
from functions.console._pages.job import run_row
from functions.console._row_limit import limit_sentence, read_newest
from functions.console._view import Page, View, link
from shared import redaction
from shared.dead_letters.letter import RESOLVED, RETENTION
from shared.run.pauses import Pause
from shared.store import failure_index, keys
from shared.store.batch_get import batch_get_rows
from shared.tables import FAILURE_KEYS, STATE, TTL
from shared.text.human import counted

MOST = 500
CUT = limit_sentence(MOST, "rows")
LISTED = 50
HIDDEN = ("pk", "sk", "payload", "retry", "marks", TTL, *FAILURE_KEYS)

Row = dict[str, Any]


def page(view: View) -> Page:
    """Two calls: the index of the tenant, and its pauses."""
    tenant = "/".join(view.rest) or view.parameter("org")
    if not tenant:
        return Page("Tenants", _search())
    rows, cut = _read(view, tenant)
    of = {kind: [row for row in rows if failure_index.kind(row) == kind] for kind in ("runs", "dead", "uncertain")}
    paused = _pauses(view, tenant)
    open_letters = [row for row in of["dead"] if row.get("state") != RESOLVED]
    recent = sum(row[FAILURE_KEYS[2]] >= f"{view.now - timedelta(days=1):%Y-%m-%dT%H:%M}" for row in of["runs"])
    body = fragment[
        p(".lead")[
            f"{counted(recent, 'failed message')} in 24 h, {counted(len(open_letters), 'open dead letter')}, "
            f"{counted(len(of['uncertain']), 'uncertain effect')}, paused in {counted(len(paused), 'job')}"
            f"{f'; {CUT}' if cut else ''}."
        ],
        buttons(
            act(view, "pause-tenant", "Pause everywhere", tenant=tenant),
            act(view, "resume-tenant", "Resume everywhere", tenant=tenant) if paused else None,
        ),
        _paused(paused),
        _dead(view, open_letters),
        _failed(view, of["runs"]),
        _uncertain(view, of["uncertain"]),
        p[a(href=link("export", "tenants", tenant), download=True)["Download as JSON"]],
    ]
    return Page(f"Tenant {redaction.excerpt(tenant, redaction.SHORT)}", body, live=True)


def _read(view: View, tenant: str) -> tuple[list[Row], bool]:
    """The newest rows, and whether there are more."""
    return read_newest(failure_index.of_tenant(view.cloud, tenant, view.now - RETENTION, MOST + 1), MOST)


def _search() -> Element:
    return form(".filters", method="get", action=link("tenants"), role="search")[
        div[
            label(for_="org")["Id of the organization"], input_element("#org", type="search", name="org", required=True)
        ],
        button(type="submit")["Show"],
    ]


def _pauses(view: View, tenant: str) -> list[Pause]:
    """The pauses of the tenant, read in one call.

    The key of each is known.
    """
    consumers = [name for name, entry in view.entries.items() if entry["queue"]]
    rows = batch_get_rows(view.cloud, STATE, (keys.pause(job, f"tenant#{tenant}") for job in consumers), patient=False)
    found = (
        Pause(
            row["pk"].partition("#")[2],
            row["sk"],
            row["text"],
            row["who"],
            row["why"],
            row["since"],
            row.get("until", ""),
        )
        for row in rows
    )
    return [each for each in found if not each.ended(view.now)]


def _paused(paused: Sequence[Pause]) -> Node:
    return [p[f"{each.sentence}."] for each in sorted(paused, key=lambda each: each.job)]


def _dead(view: View, rows: Sequence[Row]) -> Element:
    columns = ("letter", "job", "state", "failed", "error", "acts")
    shown = (
        (
            a(href=link("dead", "letter", row["id"], job=row["job"]))[str(row["id"])[:16]],
            a(href=link("jobs", row["job"]))[row["job"]],
            badge(str(row.get("state", "dead"))),
            timestamps.at(str(row.get("diedAt", "")), view.now),
            str(row.get("error", "")),
            act(view, "retry", "Retry", id=str(row["id"])),
        )
        for row in rows[:LISTED]
    )
    return tables.listing("Open dead letters", columns, shown, "It has no open dead letter.")


def _failed(view: View, rows: Sequence[Row]) -> Element:
    columns = ("run", "job", "outcome", "started", "took", "try", "entity", "what")
    listed = []
    for row in rows[:LISTED]:
        first, *others = run_row(view, row["job"], {**row, "run": row["sk"]})
        listed.append((first, a(href=link("jobs", row["job"]))[row["job"]], *others))
    return tables.listing("Failed messages", columns, listed, "No message of it has failed.")


def _uncertain(view: View, rows: Sequence[Row]) -> Element:
    shown = (
        (
            a(href=link("effects", job=row["job"]))[row["sk"]],
            row["job"],
            timestamps.at(str(row.get("begun", "")), view.now),
            str(row.get("error") or row.get("note", "")),
        )
        for row in rows[:LISTED]
    )
    return tables.listing("Uncertain effects", ("key", "job", "begun", "what"), shown, "None.")


def exported(view: View, tenant: str) -> str:
    """The rows of the tenant as JSON, redacted.

    `incomplete` states that there are more, if there are.
    """
    rows, cut = _read(view, tenant)
    shown = [
        {"kind": failure_index.kind(row), **{name: value for name, value in row.items() if name not in HIDDEN}}
        for row in rows
    ]
    incomplete = {"incomplete": CUT} if cut else {}
    return json.dumps(
        {"tenant": tenant, **incomplete, "rows": redaction.data(shown)}, indent=1, default=str, ensure_ascii=False
    )
