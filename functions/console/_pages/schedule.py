"""Schedule: ticks of the past and coming day, pauses and missed ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from heapq import merge
from itertools import chain, islice, takewhile

from htpy import Node, a, fragment, h2, li, p, section, ul

from functions.console._html import charts, tables, timestamps
from functions.console._html.badges import badge
from functions.console._pages.jobs import schedule_text
from functions.console._view import Page, View, link
from shared.admin import job_board
from shared.admin.job_state import JobState
from shared.job import schedule
from shared.text.human import counted

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)
MOMENT = timedelta(microseconds=1)
# More ticks in a day are drawn as a line.
MOST_MARKS = 96
COLUMNS = ("job", "state", "schedule", "24 h back and 24 h ahead", "next")


def page(view: View) -> Page:
    """One call for up to 49 jobs."""
    group = view.parameter("group")
    states = job_board.read(view.cloud, view.entries)
    groups = Counter(state.entry["group"] for state in states if state.entry["schedules"])
    shown = [state for state in states if state.entry["schedules"] and group in ("", state.entry["group"])]
    shown.sort(key=lambda state: (state.entry["group"], state.name))
    body = fragment[
        ul(".facets", aria_label="Groups")[
            li[a(href=link("schedule"), aria_current=None if group else "true")["all groups"]],
            (
                li[
                    a(href=link("schedule", group=name), aria_current="true" if name == group else None)[
                        f"{name} {count}"
                    ]
                ]
                for name, count in sorted(groups.items())
            ),
        ],
        section(".panel")[h2["Starts per hour, the next 24 hours"], _load(view, shown)],
        tables.listing("Jobs over time", COLUMNS, (_row(view, state) for state in shown), "No job has a schedule."),
    ]
    return Page("Schedule", body, live=True)


def _load(view: View, states: Sequence[JobState]) -> Node:
    start = view.now.replace(minute=0, second=0, microsecond=0)
    hours = Counter[int]()
    for state in states:
        for hour in range(24):
            hours[hour] += starts(tuple(state.entry["schedules"]), start + timedelta(hours=hour))
    values = [(f"{start + timedelta(hours=hour):%H:00}", hours[hour]) for hour in range(24)]
    return fragment[p(".soft")[counted(sum(hours.values()), "start"), ", UTC"], charts.bars(values, "Starts per hour")]


@lru_cache(maxsize=8192)
def starts(schedules: tuple[str, ...], hour: datetime) -> int:
    """Number of ticks in an hour.

    Cached, since pages of a day share most hours.
    """
    ticks = (takewhile(lambda tick: tick < hour + HOUR, schedule.read(text).after(hour - MOMENT)) for text in schedules)
    return len(set(chain.from_iterable(ticks)))


def _row(view: View, state: JobState) -> tuple[Node, ...]:
    upcoming = state.upcoming
    return (
        a(href=link("jobs", state.name))[state.name],
        badge(state.word),
        schedule_text(state),
        _line(view, state),
        ["paused, would be ", timestamps.at(upcoming, view.now)]
        if state.paused and upcoming
        else timestamps.at(upcoming or "", view.now),
    )


def _line(view: View, state: JobState) -> Node:
    """One row of the chart: ticks as marks, now in the middle."""
    start, whole = view.now - DAY, 2 * DAY
    ticks = list(islice(_ticks(state, start, view.now + DAY), MOST_MARKS + 1))
    marks: list[tuple[str, float, float, str]]
    if len(ticks) > MOST_MARKS:
        kind = "warn" if state.paused else "busy"
        marks = [(kind, 0.0, 1.0, f"more than {MOST_MARKS} ticks in 48 hours")]
    else:
        marks = [
            (
                _kind(state, tick > view.now),
                (tick - start) / whole,
                (tick - start) / whole,
                f"{tick:%b %d %H:%M} UTC",
            )
            for tick in ticks
        ]
    if state.overdue:
        at = (state.overdue - start) / whole
        marks.append(("bad", at, at, f"missed: {state.overdue:%b %d %H:%M} UTC"))
    count = counted(len(ticks), "tick") if len(ticks) <= MOST_MARKS else f"more than {MOST_MARKS} ticks"
    title = f"{state.name}: {count} from {start:%b %d %H:%M} to {view.now + DAY:%b %d %H:%M} UTC"
    return charts.line(marks, title)


def _kind(state: JobState, ahead: bool) -> str:
    if state.paused:
        return "warn"
    # Whether a past tick ran is in the ledger of its job; here it is only expected.
    return "busy" if ahead else "idle"


def _ticks(state: JobState, since: datetime, until: datetime) -> Iterator[datetime]:
    """The ticks of all schedules, in order."""
    for tick in merge(*(schedule.read(text).after(since - MOMENT) for text in state.entry["schedules"])):
        if tick >= until:
            return
        yield tick
