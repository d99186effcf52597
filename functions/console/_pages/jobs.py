"""Jobs: all of them, failing first, by state, group or text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from htpy import Element, Node, a, button, div, form, fragment, label, li, span, ul
from htpy import input as input_element

from functions.console._html import charts, tables, timestamps
from functions.console._html.act_buttons import act_on_chosen, act_on_row, choose, form_of_rows
from functions.console._html.badges import badge
from functions.console._view import Page, View, link
from shared.admin import job_board, job_state
from shared.admin.job_state import FAILING, JobState
from shared.job import job_details
from shared.observability import mutes
from shared.run import streaks
from shared.text.human import counted

COLUMNS = ("job", "state", "last run", "last 30", "next", "dead letters", "note", "acts")


def page(view: View) -> Page:
    """Two calls for up to 49 jobs: their states, and the mutes."""
    states = job_board.read(view.cloud, view.entries)
    muted = {each.job for each in mutes.read(view.cloud)}
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
        form_of_rows(view),
        act_on_chosen(view, ("pause-jobs", "Pause"), ("resume-jobs", "Resume"), ("run-jobs", "Run now")),
        tables.listing(
            f"{counted(len(shown), 'job')} of {len(states)}",
            COLUMNS,
            (_row(view, state, purposes.get(state.name, ""), state.name in muted) for state in shown),
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


def _row(view: View, state: JobState, purpose: str, muted: bool) -> tuple[Node, ...]:
    upcoming = state.upcoming
    following = "paused" if state.paused else timestamps.at(upcoming, view.now) if upcoming else ""
    letters = state.last_dead_letter
    return (
        [
            choose(view, state.name),
            a(href=link("jobs", state.name), id=f"job-{state.name}")[state.name],
            span(".note")[purpose],
        ],
        [badge(state.word), span(".note")["alerts muted"] if muted else None],
        [timestamps.at(state.last, view.now) or "has not run yet", _last_good(view, state)],
        _strip(state),
        [following, span(".note")[schedule_text(state)]],
        a(href=link("dead", job=state.name))["last ", timestamps.at(letters, view.now)] if letters else "",
        state.note or (f"paused by {state.paused}" if state.paused else ""),
        act_on_row(view, *(("resume", "Resume") if state.paused else ("pause", "Pause")), "job", state.name),
    )


def _strip(state: JobState) -> Node:
    """The last results; consumers count messages instead."""
    recent = state.recent
    if len(recent) < 2:
        return ""
    bad = recent.count(streaks.BAD)
    return charts.results(recent, streaks.BAD, f"{len(recent)} runs, {bad or 'none'} bad")


def _last_good(view: View, state: JobState) -> Node:
    if state.kind != FAILING:
        return None
    return span(".note")["last good ", timestamps.at(state.last_good, view.now) or "is not on record"]
