"""Periods of sums: days, and ISO weeks that may begin in the year before."""

from __future__ import annotations

from datetime import date, timedelta

from shared.archetypes.rollup.periods import by_period, day, week

MONDAY = date(2026, 3, 2)


def test_the_first_days_of_a_year_may_belong_to_the_last_week_before() -> None:
    assert week(date(2027, 1, 3)) == "week#2026-W53"
    assert week(date(2027, 1, 4)) == "week#2027-W01"


def test_weeks_sort_as_text_as_they_follow_each_other() -> None:
    keys = [week(MONDAY + timedelta(weeks=number)) for number in range(200)]
    assert keys == sorted(set(keys))


def test_sums_of_days_are_added_up_for_their_week() -> None:
    sunday, next_monday = MONDAY + timedelta(days=6), MONDAY + timedelta(days=7)
    periods = by_period({sunday: [5, 1], MONDAY: [7, 2], next_monday: [1, 1]})
    assert periods == {
        day(MONDAY): (MONDAY, [7, 2]),
        day(sunday): (sunday, [5, 1]),
        "week#2026-W10": (MONDAY, [12, 3]),
        day(next_monday): (next_monday, [1, 1]),
        "week#2026-W11": (next_monday, [1, 1]),
    }
