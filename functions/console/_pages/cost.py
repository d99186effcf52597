"""Cost: spent against budgets by job, and where each is set."""

from __future__ import annotations

from collections.abc import Iterator

from htpy import Node, a, fragment, h2, p

from functions.console._html import tables
from functions.console._html.badges import badge
from functions.console._view import Page, View, link
from shared.admin import job_board
from shared.admin.job_state import JobState
from shared.advised_commands import without_stage
from shared.run import budget_usage

COLUMNS = ("job", "period", "spent", "state", "its variable")


def page(view: View) -> Page:
    """One call for up to 49 jobs."""
    states = job_board.read(view.cloud, view.entries)
    body = fragment[
        p(".soft")[
            "Spent in the current period, as the runs reported it. "
            "A used-up budget holds its job until the period ends."
        ],
        tables.listing(
            "Budgets",
            COLUMNS,
            list(_rows(states, view)),
            "No job with a budget has spent anything in its current period.",
        ),
        h2["An idle deployment"],
        p["Priced from the templates, item by item, by this command:"],
        tables.command(without_stage("cost")),
    ]
    return Page("Cost", body)


def _rows(states: list[JobState], view: View) -> Iterator[tuple[Node, ...]]:
    for state in states:
        usage = budget_usage.last_recorded(state.item, view.now) if "spent" in state.item else None
        if usage is None:
            continue
        yield (
            a(href=link("jobs", state.name))[state.name],
            usage.period,
            usage.figures,
            badge("stopped" if usage.used_up else "fine"),
            f"{state.name.upper().replace('-', '_')}_BUDGET",
        )
