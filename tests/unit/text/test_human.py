"""Numbers are read by people with their unit, singular or plural."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.text.human import byte_size, counted, duration_text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (1234, "1.23 kB"),
        (99_960, "100 kB"),
        (999_499, "999 kB"),
        (999_999, "1 MB"),
        (4_123_456_789, "4.12 GB"),
        (5_000_000_000, "5 GB"),
        (2**63 - 1, "9.22 EB"),
    ],
)
def test_a_size_has_three_digits_and_a_unit(count: int, text: str) -> None:
    assert byte_size(count) == text


@given(st.integers(min_value=0, max_value=2**63))
def test_a_size_is_short(count: int) -> None:
    assert len(byte_size(count)) <= 9


def test_one_is_singular() -> None:
    assert [counted(number, "time") for number in (0, 1, 2, 1000)] == ["0 times", "1 time", "2 times", "1,000 times"]


def test_durations_have_the_unit_that_fits() -> None:
    spans = (0, -5, 119, 120, 7199, 7200, 9000)
    assert [duration_text(timedelta(seconds=each)) for each in spans] == [
        *("0 s", "0 s", "119 s", "2 min", "119 min", "2 h 0 min", "2 h 30 min")
    ]
