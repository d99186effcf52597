"""Times with their age, in UTC; the page's script shows local ones."""

from __future__ import annotations

from datetime import datetime, timedelta

from htpy import Element, Node, span, time

from shared import clock

# Under a minute the age would change with every refresh.
SOON = timedelta(minutes=1)


def at(moment: datetime | str, now: datetime) -> Node:
    """`11-30 08:30 (4 min ago)`; empty text for an empty timestamp."""
    if not moment:
        return ""
    if isinstance(moment, datetime):
        return _time(moment, now)
    try:
        return _time(clock.parse(moment), now)
    except ValueError:
        return moment[:40]


def age(moment: datetime, now: datetime) -> str:
    """`4 min ago`, `in 2 h`, `just now`."""
    distance = abs(now - moment)
    if distance < SOON:
        return "just now" if moment <= now else "in under a minute"
    return f"{length(distance)} ago" if moment <= now else f"in {length(distance)}"


def length(distance: timedelta) -> str:
    """`59 min`, `3 h 20 min`, `4 d`."""
    minutes = int(distance.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 and minutes < 600 else f"{minutes // 60} h"
    return f"{minutes // 1440} d"


def took(ms: int | None) -> str:
    """`840 ms`, `12.4 s`, `3 min`."""
    if ms is None:
        return ""
    if ms < 1000:
        return f"{ms} ms"
    return f"{ms / 1000:.1f} s" if ms < 120_000 else f"{ms // 60_000} min"


def _time(moment: datetime, now: datetime) -> Element:
    today = moment.date() == now.date()
    shown = f"{moment:%H:%M}" if today else f"{moment:%b %d %H:%M}"
    return time(datetime=clock.iso(moment))[span(".abs")[shown], " ", span(".age")[age(moment, now)]]
