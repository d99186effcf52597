"""Text forms of timestamps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import clock

CET = timezone(timedelta(hours=1))


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_text_sorts_as_time_does(one: datetime, other: datetime) -> None:
    if one.year >= 1000 and other.year >= 1000:
        assert (clock.iso(one) < clock.iso(other)) == (clock.parse(clock.iso(one)) < clock.parse(clock.iso(other)))


def test_timestamps_are_written_in_utc_to_the_millisecond() -> None:
    local = datetime(2026, 11, 21, 23, 5, 0, 123_999, tzinfo=CET)
    assert clock.iso(local) == "2026-11-21T22:05:00.123Z"
    assert clock.minute(local) == "2026-11-21T22:05Z"
    assert clock.milliseconds(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)) == 1000


@pytest.mark.parametrize("text", ["2026-11-21T22:05:00", "2026-11-21T22:05:00Z", "2026-11-21T23:05:00+01:00"])
def test_a_time_zone_is_converted_and_a_missing_one_is_utc(text: str) -> None:
    assert clock.parse(text) == datetime(2026, 11, 21, 22, 5, tzinfo=UTC)


def test_a_time_beyond_the_calendar_is_an_error() -> None:
    with pytest.raises(ValueError, match="out of range"):
        clock.parse("9999-12-31T23:59:59-14:00")
