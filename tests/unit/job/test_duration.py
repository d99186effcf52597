"""Durations: one text form, written and parsed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.job import duration, settings
from shared.job.setting import SettingError


@given(st.integers(0, 10**9))
def test_what_is_written_is_read(seconds: int) -> None:
    assert duration.parse(duration.text(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("length", "text"),
    [(duration.days(30), "30d"), (duration.hours(36), "36h"), (duration.minutes(90), "90m"), (timedelta(0), "0d")],
)
def test_the_shortest_form_is_written(length: timedelta, text: str) -> None:
    assert duration.text(length) == text


@pytest.mark.parametrize("text", ["30", "30 days", "1w", "-1d", "1.5d", "d", "9" * 30 + "d"])
def test_what_is_none_is_refused_and_says_how(text: str) -> None:
    setting = settings.span("KEEP", duration.days(30), "How long")
    with pytest.raises(SettingError, match="KEEP="):
        setting.read({"KEEP": text})


def test_a_setting_of_one_is_read_as_a_length_of_time() -> None:
    assert settings.span("KEEP", duration.days(30), "How long").read({}) == timedelta(days=30)
