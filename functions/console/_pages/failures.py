"""Failures of all jobs, grouped by what failed, with facets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

from htpy import Element, Node, a, fragment, h2, li, p, section, ul

from functions.console._html import charts, tables, timestamps
from functions.console._html.badges import badge
from functions.console._pages.job import run_row
from functions.console._request import PageError
from functions.console._row_limit import limit_sentence, read_newest
from functions.console._view import Page, View, link
from shared import clock
from shared.admin.trace import HIDDEN_ATTRIBUTES
from shared.dead_letters.letter import fingerprint
from shared.job.outcome import verdict_word
from shared.store import failure_index
from shared.text.human import counted

PERIODS = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "3d": timedelta(days=3), "7d": timedelta(days=7)}
FILTERS = ("outcome", "job", "tenant", "entity", "fingerprint")
# Rows that are read; more are said to exist.
MOST = 1000
# Rows of one query: the newest MOST are rarely in one of the four partitions of a day.
PAGE = 500
CUT = limit_sentence(MOST, "rows of the period")
LISTED = 100
FACET = 8
GROUPS = ("outcome", "job", "error", "count", "first", "last", "tenants")

Row = dict[str, Any]


def page(view: View) -> Page:
    """Four calls for each day of the period; one for an organization."""
    since = _period(view)
    rows, cut = _read(view)
    shown = _matching(view, rows)
    given = {name: view.parameter(name) for name in (*FILTERS, "since")}
    body = fragment[
        p(".lead")[_sentence(shown, cut, since)],
        _periods(view, since),
        [_facets(view, rows, name) for name in ("outcome", "job", "tenant")],
        section(".panel")[
            h2["Over time"], charts.bars(_over_time(view, shown, PERIODS[since]), "Failures over time", "bad")
        ],
        tables.listing("Grouped by error", GROUPS, _groups(view, shown), _none(cut)),
        _list(view, shown),
        p[a(href=link("export", "failures", **given), download=True)["Download as JSON Lines"]],
    ]
    return Page("Failures", body, live=True)


@lru_cache(maxsize=1024)
def _fingerprint(job: str, note: str) -> str:
    """Fingerprint of an error; many rows have the same one."""
    return fingerprint(job, note)


def exported(view: View) -> Iterator[Row]:
    """The rows that the query asks for, without keys of tables.

    A last row states that the search was cut, if it was.
    """
    rows, cut = _read(view)
    for row in _matching(view, rows):
        yield {"run": row["sk"], **{name: value for name, value in row.items() if name not in HIDDEN_ATTRIBUTES}}
    if cut:
        yield {"incomplete": CUT}


def _period(view: View) -> str:
    since = view.parameter("since") or "24h"
    if since not in PERIODS:
        raise PageError(404, f"The period {since[:40]!r} is unknown.", {link("failures"): "The last 24 hours"})
    return since


def _read(view: View) -> tuple[list[Row], bool]:
    """The newest failures of the period, and whether there are more.

    Those of an organization by its own index: failures of others may be many.
    """
    since = view.now - PERIODS[_period(view)]
    if not (tenant := view.parameter("tenant")):
        return read_newest(failure_index.failed_runs(view.cloud, since, PAGE), MOST)
    rows, cut = read_newest(failure_index.of_tenant(view.cloud, tenant, since, MOST + 1), MOST)
    return [row for row in rows if failure_index.kind(row) == failure_index.RUN], cut


def _matching(view: View, rows: Sequence[Row]) -> list[Row]:
    # Not the organization, whose rows alone were read: they show its id redacted and cut.
    given = {name: value for name in FILTERS if name != "tenant" and (value := view.parameter(name))}
    return [row for row in rows if all(_value(row, name) == value for name, value in given.items())]


def _value(row: Row, name: str) -> str:
    match name:
        case "outcome":
            return verdict_word(str(row.get("outcome", "")), row.get("ok", True))
        case "entity":
            return str(row.get("entityId") or row.get("target", ""))
        case "fingerprint":
            return str(row.get("fingerprint") or _fingerprint(row["job"], str(row.get("note", ""))))
        case _:
            return str(row.get(name, ""))


def _sentence(shown: Sequence[Row], cut: bool, since: str) -> str:
    more = f"; {CUT}" if cut else ""
    jobs, tenants = {row["job"] for row in shown}, {row["tenant"] for row in shown if row.get("tenant")}
    if not shown:
        return f"No failure of the last {since} was found{more}." if cut else f"Nothing failed in the last {since}."
    hurt = f", {counted(len(tenants), 'tenant')}" if tenants else ""
    return f"{counted(len(shown), 'failure')} of {counted(len(jobs), 'job')}{hurt} in the last {since}{more}."


def _none(cut: bool) -> str:
    return f"No failure was found; {CUT}." if cut else "Nothing failed in this period."


def _periods(view: View, since: str) -> Element:
    given = {name: view.parameter(name) for name in FILTERS}
    return ul(".facets", aria_label="Period")[
        (
            li[
                a(href=link("failures", since=each, **given), aria_current="true" if each == since else None)[
                    f"last {each}"
                ]
            ]
            for each in PERIODS
        )
    ]


def _facets(view: View, rows: Sequence[Row], name: str) -> Node:
    counts = Counter(filter(None, (_value(row, name) for row in rows)))
    if not counts:
        return None
    given = {each: view.parameter(each) for each in (*FILTERS, "since") if each != name}
    chosen = view.parameter(name)
    return ul(".facets", aria_label=f"By {name}")[
        li[a(href=link("failures", **given), aria_current=None if chosen else "true")[f"any {name}"]],
        (
            li[
                a(
                    href=link("failures", **{**given, name: value}),
                    aria_current="true" if chosen == value else None,
                )[f"{value} {count}"]
            ]
            for value, count in counts.most_common(FACET)
        ),
    ]


def _over_time(view: View, rows: Sequence[Row], period: timedelta) -> list[tuple[str, int]]:
    step, start = period / 24, view.now - period
    slots = Counter(min(int((clock.parse(row["started"]) - start) / step), 23) for row in rows)
    return [(f"{start + step * slot:%b %d %H:%M}", slots[slot]) for slot in range(24)]


def _groups(view: View, rows: Sequence[Row]) -> list[tuple[Node, ...]]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["job"], _value(row, "fingerprint")), []).append(row)
    ordered = sorted(groups.items(), key=lambda item: len(item[1]), reverse=True)
    started: Callable[[Row], str] = lambda row: str(row.get("started", ""))  # noqa: E731
    shown: list[tuple[Node, ...]] = []
    for (job, shape), members in ordered[:LISTED]:
        newest, oldest = max(members, key=started), min(members, key=started)
        tenants = sorted({str(row["tenant"]) for row in members if row.get("tenant")})
        shown.append(
            (
                badge(_value(newest, "outcome")),
                a(href=link("jobs", job))[job],
                a(href=link("failures", job=job, fingerprint=shape, since=view.parameter("since")))[
                    str(newest.get("note") or "no reason was recorded")
                ],
                str(len(members)),
                timestamps.at(started(oldest), view.now),
                timestamps.at(started(newest), view.now),
                [fragment[a(href=link("tenants", each))[each], " "] for each in tenants[:5]],
            )
        )
    return shown


def _list(view: View, rows: Sequence[Row]) -> Element:
    columns = ("run", "job", "outcome", "started", "took", "try", "target", "what")
    listed = []
    for row in rows[:LISTED]:
        first, *others = run_row(view, row["job"], {**row, "run": row["sk"]})
        listed.append((first, a(href=link("jobs", row["job"]))[row["job"]], *others))
    return tables.listing(f"The last {len(listed)}", columns, listed, "No row.")
