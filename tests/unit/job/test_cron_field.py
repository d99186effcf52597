"""Fields of cron expressions: values, ranges, steps, words."""

from __future__ import annotations

import pytest

from shared.job.cron_field import DAY, MONTH, WEEKDAY, ScheduleError, values_text


@pytest.mark.parametrize(
    ("text", "values"),
    [("*", {*range(1, 32)}), ("*/10", {1, 11, 21, 31}), ("30/1", {30, 31}), ("1-5/2,9", {1, 3, 5, 9}), ("07", {7})],
)
def test_values_of_a_field(text: str, values: set[int]) -> None:
    assert DAY.parse(text) == values


def test_words_and_the_end_of_a_week() -> None:
    assert MONTH.parse("JAN-mar") == {1, 2, 3}
    assert WEEKDAY.parse("fri-sun") == {5, 6, 7}


@pytest.mark.parametrize("text", ["", "0", "32", "1-", "-1", "5-1", "1/0", "1/", "*/x", "\u0661", "1,,2"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError, match="day of month"):
        DAY.parse(text)


def test_values_are_written_as_ranges() -> None:
    assert values_text(frozenset({1, 2, 3, 5, 7, 8})) == "1-3,5,7-8"
