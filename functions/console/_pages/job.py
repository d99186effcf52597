"""Job: its state explained, acts, ticks, runs, settings, permissions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice

from htpy import Element, Node, a, details, div, fragment, h2, li, p, section, summary, ul

from functions.console._html import charts, tables, timestamps
from functions.console._html.act_buttons import act, buttons
from functions.console._html.badges import BAD, BUSY, GOOD, IDLE, WARN, badge
from functions.console._request import PageError
from functions.console._view import Page, View, link
from shared import clock
from shared.admin import job_overview
from shared.admin.job_overview import JobOverview
from shared.admin.mute import sentence
from shared.job import job_details, schedule
from shared.job.job_details import JobDetails
from shared.job.outcome import verdict_word
from shared.ledger.ledger import TickOutcome
from shared.observability import mutes
from shared.run import status_view
from shared.run.pauses import WHOLE
from shared.text.human import counted

KINDS = {
    TickOutcome.RAN: GOOD,
    TickOutcome.LATE: WARN,
    TickOutcome.RUNNING: BUSY,
    **dict.fromkeys((TickOutcome.FAILED, TickOutcome.LOST, TickOutcome.REFUSED, TickOutcome.MISSED), BAD),
}
RUNS = ("run", "outcome", "started", "took", "try", "target", "what")
MOST_CELLS = 120
HISTORY_DAYS = 31


def page(view: View) -> Page:
    """At most five calls.

    Six for a job that is failing and paused.
    """
    name, entry = view.job("/".join(view.rest))
    overview = job_overview.read(view.cloud, name, entry, day_of(view))
    failing = not overview.status.get("ok", True)
    known = job_details.load().get(name)
    muted = [each for each in mutes.read(view.cloud) if each.job == name]
    body = fragment[
        p(".soft")[known["purpose"] if known else ""],
        [p[badge("muted"), f" {sentence(each)}."] for each in muted],
        section(".panel")[h2["Why"], _why(view, overview)],
        _acts(view, overview),
        div(".columns")[
            section(".panel")[h2["Next ticks"], _next_ticks(view, overview)],
            section(".panel")[h2["Ticks of 30 days"], _strip(overview)],
        ],
        _targets(view, overview),
        _runs(view, overview),
        _declared(overview, known) if known else None,
    ]
    return Page(name, body, failing=(name,) if failing else (), live=True)


def day_of(view: View) -> date | None:
    """The day of the query, if any. Raises PageError."""
    text = view.parameter("day")
    if not text:
        return None
    try:
        day = clock.parse(text).date()
    except ValueError:
        raise PageError(404, f"{text[:40]!r} is no day; write it as yyyy-mm-dd.", {link("jobs"): "Jobs"}) from None
    if not timedelta(0) <= view.now.date() - day <= timedelta(days=HISTORY_DAYS):
        raise PageError(
            404,
            f"There are no runs of {day}: rows are retained for up to {HISTORY_DAYS - 1} days.",
            {link(*view.request.path.split("/")[2:3], *view.rest): "The last day with runs"},
        )
    return day


def _why(view: View, overview: JobOverview) -> Node:
    explanation = overview.explanation(view.stage)
    status = overview.status
    word = verdict_word(str(status.get("outcome", "not run yet")), status.get("ok", True))
    state = "running" if "holder" in overview.own else "paused" if WHOLE in overview.pauses else word
    if status.get("ok", True):
        lead: Node = explanation.headline
    else:
        since = timestamps.at(str(status.get("failingSince") or status.get("at", "")), view.now)
        lead = fragment[str(status.get("note") or "No reason was recorded"), " (failing since ", since, ")"]
    return fragment[
        p(".lead")[badge(state if status.get("ok", True) else word), " ", lead],
        ul[(li[fact] for fact in dict.fromkeys((explanation.headline, *explanation.facts)))],
        details[
            summary["Commands for a shell"],
            [
                div[p[f"{purpose[0].upper()}{purpose[1:]}:"], tables.command(text)]
                for text, purpose in explanation.commands
            ],
        ],
    ]


def _acts(view: View, overview: JobOverview) -> Node:
    name = overview.name
    whole = WHOLE in overview.pauses or "paused" in overview.own
    details_ = job_details.load().get(name)
    return (
        buttons(
            act(view, "resume", "Resume", job=name) if whole else act(view, "pause", "Pause", job=name),
            None if overview.entry["queue"] else act(view, "run", "Run now", job=name),
            a(".button", href=link("plans", job=name))["Dry run"] if details_ and details_["applicable"] else None,
            a(".button", href=link("dead", job=name))["Dead letters"],
            a(".button", href=link("failures", job=name))["Failures"],
            a(".button", href=link("effects", job=name))["Effects"] if overview.entry["effects"] else None,
            a(".button", href=link("queues", overview.entry["queue"]))["Queue"] if overview.entry["queue"] else None,
        )
        or p[a(href=link("dead", job=name))["Dead letters"]]
    )


def _next_ticks(view: View, overview: JobOverview) -> Node:
    texts = overview.entry["schedules"]
    if not texts:
        return p(".empty")["It has no schedule: it runs by messages or by hand."]
    ticks = sorted(tick for text in texts for tick in islice(schedule.read(text).after(view.now), 5))[:5]
    return fragment[
        p(".soft")[", ".join(texts), ". Times in UTC; u shows those of your zone."],
        ul[(li[timestamps.at(tick, view.now)] for tick in ticks)],
    ]


def _strip(overview: JobOverview) -> Node:
    last = [*overview.ticks.items()][-MOST_CELLS:]
    if not last:
        return p(".empty")["No tick is on record. The ledger has a day's ticks when the day has ended."]
    cells = [
        (KINDS.get(record.outcome, IDLE), f"{tick:%Y-%m-%d %H:%M} UTC: {record.outcome.value}") for tick, record in last
    ]
    bad = sum(kind == BAD for kind, _ in cells)
    title = f"The last {len(cells)} ticks on record, {bad} of them failed, lost or missed"
    listed = ", ".join(text for kind, text in cells if kind in (BAD, WARN))
    return fragment[
        p(".soft")[title, "."], charts.strip(cells, title), details[summary["Late and bad ones"], p[listed or "none"]]
    ]


def _targets(view: View, overview: JobOverview) -> Node:
    if not overview.targets and not overview.pauses:
        return None
    rows = []
    for target, item in sorted(overview.targets.items()):
        shown = status_view.view(item)
        word = verdict_word(str(shown.get("outcome", "not run yet")), shown.get("ok", True))
        held = f"target#{target}" in overview.pauses
        button = act(
            view, "resume" if held else "pause", "Resume" if held else "Pause", job=overview.name, target=target
        )
        rows.append(
            (target, badge(word), timestamps.at(str(shown.get("at", "")), view.now), str(shown.get("note", "")), button)
        )
    tenants = [each for part, each in overview.pauses.items() if part.startswith("tenant#")]
    return fragment[
        tables.listing("Targets", ("target", "state", "last", "note", "acts"), rows, "It has no targets.")
        if rows
        else None,
        [
            p[
                f"{each.sentence}. ",
                act(view, "resume", "Resume", job=overview.name, tenant=each.part.partition("#")[2]),
            ]
            for each in tenants
        ],
    ]


def _runs(view: View, overview: JobOverview) -> Element:
    day, name = overview.day, overview.name
    taken = overview.durations()
    figures = f", median {timestamps.took(taken[0])}, p95 {timestamps.took(taken[1])}" if taken else ""
    earlier, later = day - timedelta(days=1), day + timedelta(days=1)
    return section[
        h2[f"Runs of {day}"],
        p(".soft")[
            counted(len(overview.runs), "run"),
            " and more" if overview.more_runs else "",
            figures,
            ". ",
            a(href=link("jobs", name, day=str(earlier)), data_act="earlier")["Earlier"],
            fragment[" ", a(href=link("jobs", name, day=str(later)), data_act="later")["Later"]]
            if later <= view.now.date()
            else "",
        ],
        tables.listing(
            "Runs, the newest first", RUNS, (run_row(view, name, row) for row in overview.runs), "No run on this day."
        ),
    ]


def run_row(view: View, job: str, row: dict[str, object]) -> tuple[Node, ...]:
    """One history row."""
    counts = row.get("counts")
    what = row.get("note") or (
        ", ".join(f"{count} {name}" for name, count in counts.items()) if isinstance(counts, dict) else ""
    )
    word = verdict_word(str(row.get("outcome", "")), bool(row.get("ok", True)))
    ms = row.get("ms")
    target = str(row.get("entityId") or row.get("target", ""))
    return (
        a(href=link("runs", job, str(row["run"])))[str(row["run"])],
        badge(word),
        timestamps.at(str(row.get("started", "")), view.now),
        timestamps.took(int(str(ms))) if ms is not None else "",
        str(row.get("attempt", "")),
        "" if target == "-" else target,
        str(what or ""),
    )


def _declared(overview: JobOverview, known: JobDetails) -> Element:
    settings = (
        (each["name"], each["deployed"] or "default", each["default"], each["meaning"]) for each in known["settings"]
    )
    return section[
        h2["Declaration"],
        tables.facts(_facts(overview, known)),
        details[
            summary[f"Settings ({len(known['settings'])})"],
            tables.listing("Settings", ("name", "deployed", "default", "meaning"), settings, "It has no settings."),
        ],
        details[summary["Proof by injected crashes"], p[known["proof"]]],
        details[summary[f"Permissions ({len(known['permissions'])})"], ul[(li[each] for each in known["permissions"])]],
    ]


def _facts(overview: JobOverview, known: JobDetails) -> Iterator[tuple[str, Node]]:
    entry = overview.entry
    yield "Id", entry["id"]
    yield "Source", known["source"]
    yield "Guarantee", known["guarantee"]
    yield "Attempts", str(len(entry["delays"]) + 1)
    yield "Timeout", f"{entry['timeout']} s"
    yield "Memory", f"{known['memory']} MB"
    yield "Missed ticks", entry["catch_up"]
    yield "History", entry["retention"]
    yield "Tags", ", ".join(known["tags"])
