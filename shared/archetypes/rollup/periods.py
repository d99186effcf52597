"""Periods of sums: days and ISO weeks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache

Sums = list[int]
# Sums of one owner by day; the number of rows is the last one.
Days = Mapping[date, Sums]


@lru_cache(maxsize=1024)
def parse_day(text: str) -> date:
    return date.fromisoformat(text)


def day(day: date) -> str:
    """Sort key of a day's sums: `day#2026-11-22`."""
    return f"day#{day}"


def week(day: date) -> str:
    """Sort key of the sums of an ISO 8601 week: `week#2026-W47`."""
    # The first days of a year may belong to the last week of the year before.
    year, number, _ = day.isocalendar()
    return f"week#{year}-W{number:02d}"


def by_period(days: Days) -> dict[str, tuple[date, Sums]]:
    """Sums by sort key of the period, with the period's first day."""
    periods: dict[str, tuple[date, Sums]] = {}
    for each, sums in days.items():
        periods[day(each)] = (each, sums)
        monday = each - timedelta(days=each.weekday())
        _, before = periods.get(week(each), (monday, [0] * len(sums)))
        periods[week(each)] = (monday, [one + other for one, other in zip(before, sums, strict=True)])
    return periods
