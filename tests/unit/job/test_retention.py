"""Retention of run history, by class or by ages and counts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.job import retention
from shared.job.retention import CLASSES, Limit, Retention

AGES = st.integers(3600, 90 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
COUNTS = st.integers(1, retention.MAX_COUNT)


@given(st.lists(AGES, min_size=2, max_size=2).map(sorted), COUNTS, COUNTS)
@example([timedelta(hours=1), timedelta(days=90)], 1, retention.MAX_COUNT)
def test_what_is_written_is_read(ages: list[timedelta], completed: int, failed: int) -> None:
    kept = Retention(Limit(ages[0], completed), Limit(ages[1], failed))
    assert retention.read(str(kept)) == kept


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_is_read_by_its_name_and_by_what_it_stands_for(name: str) -> None:
    assert retention.read(f" {name.upper()} ") == retention.read(str(CLASSES[name])) == CLASSES[name]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "use high-volume, standard, critical"),
        ("forever", "use high-volume, standard, critical"),
        ("completed 1d, failed 7d", "use high-volume, standard, critical"),
        ("failed 7d 5000, completed 1d 1000", "use high-volume, standard, critical"),
        ("completed 59m 10, failed 7d 10", "completed 59m: 1h to 90d are possible"),
        ("completed 1d 10, failed 91d 10", "failed 91d: 1h to 90d are possible"),
        ("completed 1d 0, failed 7d 10", "completed 0: 1 to 100000 rows are possible"),
        ("completed 1d 10, failed 7d 100001", "failed 100001: 1 to 100000 rows are possible"),
        ("completed 2d 10, failed 47h 10", "at least as long as completed ones"),
    ],
)
def test_what_cannot_be_kept_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        retention.read(text)
