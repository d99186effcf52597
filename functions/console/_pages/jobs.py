"""Jobs: all of them, failing first, by state, group or text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from htpy import Element, Node, a, button, div, form, fragment, label, li, span, ul
from htpy import input as input_element

from functions.console._html import tables, timestamps
from functions.console._html.act_buttons import act
from functions.console._html.badges import badge
from functions.console._view import Page, View, link
from shared.admin import job_board, job_state
from shared.admin.job_state import FAILING, JobState
from shared.job import job_details
from shared.text.human import counted

COLUMNS = ("job", "state", "last run", "next", "dead letters", "note", "acts")


def page(view: View) -> Page:
    """One call for up to 49 jobs."""
    states = job_board.read(view.cloud, view.entries)
    purposes = {name: each["purpose"] for name, each in job_details.load().items()}
    wanted, group, text = view.parameter("state"), view.parameter("group"), view.parameter("q").lower()
    shown = [
        state
        for state in states
        if wanted in ("", state.kind)
        and group in ("", state.entry["group"])
        and text in f"{state.name} {state.entry['id']} {purposes.get(state.name, '')}".lower()
    ]
    body = fragment[
        _facets(view, states),
        _search(view),
        tables.listing(
            f"{counted(len(shown), 'job')} of {len(states)}",
            COLUMNS,
            (_row(view, state, purposes.get(state.name, "")) for state in shown),
            ["No job matches. ", a(href=link("jobs"))["Show all jobs"], "."],
        ),
    ]
    failing = tuple(state.name for state in states if state.kind == FAILING)
    return Page("Jobs", body, failing=failing, live=True)


def schedule_text(state: JobState) -> str:
    if state.entry["queue"]:
        return f"queue {state.entry['queue']}"
    return ", ".join(state.entry["schedules"]) or "by hand only"


def _facets(view: View, states: Sequence[JobState]) -> Element:
    kinds = Counter(state.kind for state in states)
    groups = Counter(state.entry["group"] for state in states)
    wanted, group, text = view.parameter("state"), view.parameter("group"), view.parameter("q")
    return div[
        ul(".facets", aria_label="States")[
            _facet("all states", len(states), link("jobs", group=group, q=text), not wanted),
            (
                _facet(kind, kinds[kind], link("jobs", state=kind, group=group, q=text), kind == wanted)
                for kind in job_state.KINDS
                if kinds[kind]
            ),
        ],
        ul(".facets", aria_label="Groups")[
            _facet("all groups", len(states), link("jobs", state=wanted, q=text), not group),
            (
                _facet(name, count, link("jobs", state=wanted, group=name, q=text), name == group)
                for name, count in sorted(groups.items())
            ),
        ],
    ]


def _facet(text: str, count: int, to: str, chosen: bool) -> Element:
    return li[a(href=to, aria_current="true" if chosen else None)[f"{text} {count}"]]


def _search(view: View) -> Element:
    return form(".filters", method="get", action=link("jobs"), role="search")[
        input_element(type="hidden", name="state", value=view.parameter("state")),
        input_element(type="hidden", name="group", value=view.parameter("group")),
        div[
            label(for_="q")["Name or purpose contains"],
            input_element("#q", type="search", name="q", value=view.parameter("q"), maxlength="100"),
        ],
        button(type="submit")["Search"],
    ]


def _row(view: View, state: JobState, purpose: str) -> tuple[Node, ...]:
    upcoming = state.upcoming
    following = "paused" if state.paused else timestamps.at(upcoming, view.now) if upcoming else ""
    letters = state.last_dead_letter
    return (
        [a(href=link("jobs", state.name), id=f"job-{state.name}")[state.name], span(".note")[purpose]],
        badge(state.word),
        [timestamps.at(state.last, view.now) or "has not run yet", span(".note")[_last_good(view, state)]],
        [following, span(".note")[schedule_text(state)]],
        a(href=link("dead", job=state.name))["last ", timestamps.at(letters, view.now)] if letters else "",
        state.note or (f"paused by {state.paused}" if state.paused else ""),
        act(view, "resume", "Resume", job=state.name) if state.paused else act(view, "pause", "Pause", job=state.name),
    )


def _last_good(view: View, state: JobState) -> Node:
    if state.kind != FAILING:
        return None
    return ["last good ", timestamps.at(state.last_good, view.now) or "is not on record"]
