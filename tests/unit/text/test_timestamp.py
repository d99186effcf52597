"""RFC 3339 timestamps, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.text.timestamp import FIRST, LAST, InvalidTimestamp, in_range, parse_timestamp

ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=ZONES).filter(lambda each: 1981 < each.year < 9998))
def test_every_timestamp_is_read_back(timestamp: datetime) -> None:
    assert parse_timestamp(timestamp.isoformat()) == timestamp


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T11:59:00Z",
        "2026-03-02t11:59:00z",
        "2026-03-02 12:59:00+01:00",
        "2026-03-02T11:59:00.000000000-00:00",
    ],
)
def test_forms_of_rfc_3339(text: str) -> None:
    assert parse_timestamp(text) == datetime(2026, 3, 2, 11, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "20260302",
        "-1",
        "0",
        "1772452740",
        "1772452740000",
        "1.5e9",
        "2026-03-02",
        "2026-W10-1",
        "20260302T115900Z",
        "2026-03-02T11:59Z",
        "2026-03-02T11:59:00",
        "2026-03-02T11:59:00+0100",
        "2026-03-02T11:59:60Z",
        "2026-02-30T11:59:00Z",
        "2026-03-02T24:00:01Z",
        "\uff12\u0660\u09666-03-02T11:59:00Z",
        "2026-03-02T11:59:00Z\n",
        " 2026-03-02T11:59:00Z",
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidTimestamp):
        parse_timestamp(text)


def test_the_range_is_inclusive_and_a_time_zone_is_required() -> None:
    assert (in_range(FIRST), in_range(LAST)) == (FIRST, LAST)
    for outside in (
        FIRST - timedelta(seconds=1),
        LAST + timedelta(seconds=1),
        datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None),
    ):
        with pytest.raises(InvalidTimestamp):
            in_range(outside)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(InvalidTimestamp):
        assert parse_timestamp(text).tzinfo is UTC
