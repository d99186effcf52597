"""Now: what fails, is late, runs or is paused, the worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import takewhile

from htpy import Element, Node, a, div, fragment, h2, li, p, progress, section, ul

from functions.console._html import charts, tables, timestamps
from functions.console._html.act_buttons import act, buttons
from functions.console._html.badges import badge
from functions.console._pages.schedule import starts
from functions.console._view import Page, View, link
from shared.admin import job_board, job_state
from shared.admin.job_state import FAILING, LATE, PAUSED, RUNNING, JobState
from shared.admin.mute import sentence
from shared.job import schedule
from shared.messages import queue_depth
from shared.observability import mutes
from shared.observability.mutes import Mute
from shared.run import budget_usage
from shared.text.human import counted

CARDS = {FAILING: "bad", LATE: "warn", RUNNING: "busy", PAUSED: "warn"}
# Cards of one kind; more are linked.
MOST = 12
NEW = timedelta(hours=24)
HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)


def page(view: View) -> Page:
    """Three calls: the state of all jobs, the queues, the mutes."""
    states = job_board.read(view.cloud, view.entries)
    measured = queue_depth.read(view.cloud)
    muted = mutes.read(view.cloud)
    failing = tuple(state.name for state in states if state.kind == FAILING)
    body = fragment[
        p(".lead")[_sentence(states)],
        _cards(view, states),
        div(".columns")[
            section(".panel")[h2["Dead letters of the last 24 hours"], _letters(view, states)],
            section(".panel")[h2["Queues"], _queues(view, measured)],
            section(".panel")[h2["Next hour"], _next_hour(view)],
            section(".panel")[h2["Next 24 hours"], _heat_map(view)],
            section(".panel")[h2["Spent against budgets"], _budgets(view, states)],
            section(".panel")[h2["Muted alerts"], _muted(muted)] if muted else None,
        ],
    ]
    return Page("Now", body, failing=failing, live=True)


def _sentence(states: Sequence[JobState]) -> str:
    kinds = Counter(state.kind for state in states)
    parts = [f"{kinds[kind]} {kind}" for kind in job_state.KINDS if kinds[kind]]
    return f"{counted(len(states), 'job')}: {', '.join(parts)}." if parts else "No job is deployed."


def _cards(view: View, states: Sequence[JobState]) -> Node:
    kinds = Counter(state.kind for state in states)
    more = [(kind, kinds[kind] - MOST) for kind in CARDS if kinds[kind] > MOST]
    chosen = [state for kind in CARDS for state in [each for each in states if each.kind == kind][:MOST]]
    if not chosen:
        return p(".empty")["Nothing fails, is late, runs or is paused."]
    return fragment[
        ul(".cards")[(_card(view, state) for state in chosen)],
        [p[a(href=link("jobs", state=kind))[f"{count} more {kind}"]] for kind, count in more],
    ]


def _card(view: View, state: JobState) -> Element:
    resume = act(view, "resume", "Resume", job=state.name) if state.paused else None
    pause = None if state.paused else act(view, "pause", "Pause", job=state.name)
    run = None if state.entry["queue"] else act(view, "run", "Run now", job=state.name)
    return li(class_=f"card {CARDS[state.kind]}", id=f"card-{state.name}")[
        h2[badge(state.word), a(href=link("jobs", state.name))[state.name]],
        list(_lines(view, state)),
        buttons(a(".button", href=link("jobs", state.name), data_act="why")["Why"], resume or pause, run),
    ]


def _lines(view: View, state: JobState) -> Iterator[Node]:
    if state.kind == FAILING:
        times = f", {state.streak} times in a row" if state.streak > 1 else ""
        yield p[state.note or "No reason was recorded."]
        yield p(".soft")["Failing since ", timestamps.at(state.since, view.now), times, "."]
        yield p(".soft")["Last good run: ", timestamps.at(state.last_good, view.now) or "none on record", "."]
    if state.overdue and state.kind == LATE:
        yield p["The tick of ", timestamps.at(state.overdue, view.now), " has not started."]
    if "holder" in state.item:
        yield p(".soft")["Running since ", timestamps.at(str(state.item.get("started", "")), view.now)]
        yield progress(max="100", value=str(state.progress), aria_label=f"progress of {state.name}")
        if state.interrupted:
            yield p["Its lease has expired: the process was interrupted; the reconciler records the lost run."]
    if state.paused:
        yield p["Paused by ", state.paused, "."]
    elif "partial_pauses" in state.item:
        yield p["Some of its targets or tenants are paused."]
    if state.kind == FAILING and state.upcoming:
        yield p(".soft")["Next run: ", timestamps.at(state.upcoming, view.now)]


def _letters(view: View, states: Sequence[JobState]) -> Node:
    new = [state for state in states if state.last_dead_letter and view.now - state.last_dead_letter < NEW]
    if not new:
        return p(".empty")["No job has a new one."]
    new.sort(key=lambda state: str(state.last_dead_letter), reverse=True)
    return ul[
        (
            li[
                a(href=link("dead", job=state.name))[state.name],
                ", last ",
                timestamps.at(state.last_dead_letter or "", view.now),
            ]
            for state in new[:MOST]
        )
    ]


def _queues(view: View, measured: dict[str, queue_depth.QueueMeasurement]) -> Node:
    now = round(view.now.timestamp() * 1000)
    busy = sorted((each for each in measured.values() if each.waiting or each.dead), key=lambda each: -each.age(now))
    if not busy:
        return p(".empty")["No message waits, by the last measurement of each queue."]
    return ul[
        (
            li[
                a(href=link("queues", each.queue))[each.queue],
                f": {each.waiting} waiting, the oldest {timestamps.length(timedelta(milliseconds=each.age(now)))}",
                f", {each.errors:g} % failed" if each.errors else "",
            ]
            for each in busy[:MOST]
        )
    ]


def _next_hour(view: View) -> Node:
    start = view.now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    slots = Counter[int]()
    for entry in view.entries.values():
        for minute in _minutes(tuple(entry["schedules"]), start):
            slots[minute // 5] += 1
    values = [(f"{start + timedelta(minutes=5 * slot):%H:%M}", slots[slot]) for slot in range(12)]
    total = sum(slots.values())
    return fragment[
        p(".soft")[f"{counted(total, 'tick')}, in steps of five minutes."],
        charts.bars(values, "Ticks of the next hour"),
    ]


def _heat_map(view: View) -> Node:
    start = view.now.replace(minute=0, second=0, microsecond=0)
    hours = [start + timedelta(hours=number) for number in range(24)]
    rows: dict[str, list[int]] = {}
    for entry in view.entries.values():
        if entry["schedules"]:
            row = rows.setdefault(entry["group"], [0] * 24)
            for number, hour in enumerate(hours):
                row[number] += starts(tuple(entry["schedules"]), hour)
    labels = [f"{hour:%H:%M}" for hour in hours]
    return fragment[
        p(".soft")["Starts per hour and group, UTC; the darkest is the most."],
        charts.heat_map(dict(sorted(rows.items())), labels, "Starts per hour and group of the next 24 hours"),
    ]


def _muted(muted: Sequence[Mute]) -> Node:
    return ul[(li[a(href=link("jobs", each.job))[each.job], f": {sentence(each)}"] for each in muted),]


@lru_cache(maxsize=1024)
def _minutes(schedules: tuple[str, ...], start: datetime) -> tuple[int, ...]:
    """Minutes of the coming hour at which ticks are.

    Cached for the refreshes within a minute.
    """
    found = {
        int((tick - start).total_seconds() // 60)
        for text in schedules
        for tick in takewhile(lambda tick: tick < start + HOUR, schedule.read(text).after(start - MOMENT))
    }
    return tuple(found)


def _budgets(view: View, states: Sequence[JobState]) -> Node:
    lines = []
    for state in states:
        usage = budget_usage.last_recorded(state.item, view.now) if "spent" in state.item else None
        if usage:
            lines.append((state.name, usage.figures + (", used up" if usage.used_up else "")))
    if not lines:
        return p(".empty")["No job with a budget has spent anything in its current period."]
    return tables.facts((name, a(href=link("jobs", name))[text]) for name, text in lines)
