"""The daily ledger keeps the outcomes of ticks after their rows expire, in a few bytes per hour."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.ledger import daily
from shared.ledger.daily import DailyLedger, DailyLedgerConflict, decode, encode
from shared.ledger.ledger import TickOutcome, TickRecord, TickRecords
from tests.conftest import NOON, Calls

RECORDS = st.builds(TickRecord, st.sampled_from(list(daily.CODES)), st.booleans())
HOURS = st.dictionaries(st.integers(0, 59).map(lambda minute: NOON.replace(minute=minute)), RECORDS)
RAN = TickRecord(TickOutcome.RAN)


def hour(outcome: TickOutcome, *minutes: int, duplicated: bool = False) -> TickRecords:
    return {NOON.replace(minute=minute): TickRecord(outcome, duplicated) for minute in minutes or range(60)}


def item(cloud: Cloud) -> dict[str, Any]:
    return DailyLedger(cloud, "sweep").read_day("2026-03-02")


@pytest.fixture
def ledger(cloud: Cloud) -> DailyLedger:
    return DailyLedger(cloud, "sweep")


@given(HOURS)
def test_an_hour_is_read_back_as_it_was_written(records: TickRecords) -> None:
    assert decode(encode(records), NOON) == records


def test_every_final_outcome_has_its_own_code() -> None:
    assert set(TickOutcome) - set(daily.CODES) == {TickOutcome.RUNNING, TickOutcome.AWAITED}
    assert len(set(daily.CODES.values()) | {daily.DUPLICATED}) == len(daily.CODES) + 1


@pytest.mark.parametrize(
    ("records", "text"),
    [
        (hour(TickOutcome.RAN), "r*"),
        (hour(TickOutcome.RAN, *range(3, 60, 5)), "r3/5"),
        (
            hour(TickOutcome.RAN) | hour(TickOutcome.MISSED, 12) | hour(TickOutcome.RAN, 7, duplicated=True),
            "+7 m12 r0-11,13-59",
        ),
    ],
)
def test_an_ordinary_hour_is_a_few_bytes(records: TickRecords, text: str) -> None:
    assert encode(records) == text


def test_a_day_of_ticks_every_minute_with_exceptions_each_hour_is_one_write_unit(
    ledger: DailyLedger, cloud: Cloud
) -> None:
    for number in range(24):
        start = NOON.replace(hour=number)
        records = {start + timedelta(minutes=minute): RAN for minute in range(60)}
        records |= {
            start.replace(minute=number): TickRecord(TickOutcome.LATE),
            start.replace(minute=59): TickRecord(TickOutcome.LOCKED),
        }
        assert ledger.add(records) == 1
    assert attributes.size(attributes.row(item(cloud))) <= 1024


def test_adding_an_hour_is_one_read_and_one_write_and_repeating_it_one_read(ledger: DailyLedger, cloud: Cloud) -> None:
    calls = Calls(cloud)
    assert ledger.add(hour(TickOutcome.RAN)) == 1
    assert calls.made == ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    calls.clear()
    assert ledger.add(hour(TickOutcome.RAN)) == 0
    assert calls.made == ["dynamodb:GetItem"]


def test_a_late_run_replaces_a_missed_tick_and_never_the_reverse(ledger: DailyLedger) -> None:
    ledger.add(hour(TickOutcome.MISSED, 0, 30))
    ledger.add(hour(TickOutcome.LATE, 30))
    ledger.add(hour(TickOutcome.MISSED, 0, 30))
    assert ledger.read(NOON, NOON) == hour(TickOutcome.MISSED, 0) | hour(TickOutcome.LATE, 30)


def test_days_are_read_with_one_query_in_order(ledger: DailyLedger, cloud: Cloud) -> None:
    midnight = NOON.replace(hour=23, minute=59)
    ledger.add({midnight + timedelta(minutes=1): RAN, midnight: RAN})
    calls = Calls(cloud)
    assert list(ledger.read(NOON, NOON + timedelta(days=1))) == [midnight, midnight + timedelta(minutes=1)]
    assert calls.made == ["dynamodb:Query"]


def test_running_ticks_are_not_added(ledger: DailyLedger, cloud: Cloud) -> None:
    calls = Calls(cloud)
    assert ledger.add(hour(TickOutcome.RUNNING)) == 0
    assert calls.made == []


def between_read_and_write(ledger: DailyLedger, monkeypatch: pytest.MonkeyPatch, cloud: Cloud, times: int) -> None:
    """Another writer adds a minute to the day between read and write, the first `times` times."""
    read, left = ledger.read_day, iter(range(times))

    def read_day(day: str) -> dict[str, Any]:
        row = read(day)
        minute = next(left, None)
        if minute is not None:
            assert DailyLedger(cloud, "sweep").add(hour(TickOutcome.FAILED, minute)) == 1
        return row

    monkeypatch.setattr(ledger, "read_day", read_day)


def test_two_writers_of_a_day_lose_nothing(ledger: DailyLedger, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.add(hour(TickOutcome.RAN, 40))
    between_read_and_write(ledger, monkeypatch, cloud, 2)
    assert ledger.add(hour(TickOutcome.RAN, 50)) == 1
    assert ledger.read(NOON, NOON) == hour(TickOutcome.FAILED, 0, 1) | hour(TickOutcome.RAN, 40, 50)


def test_a_day_that_others_write_each_time_is_an_error(
    ledger: DailyLedger, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    between_read_and_write(ledger, monkeypatch, cloud, 3)
    with pytest.raises(DailyLedgerConflict, match="the ledger of sweep, 2026-03-02, was written by others 3 times"):
        ledger.add(hour(TickOutcome.RAN, 50))


def test_a_day_is_stored_for_ninety_days(ledger: DailyLedger, cloud: Cloud) -> None:
    ledger.add(hour(TickOutcome.RAN))
    assert item(cloud)["expires"] == int((NOON.replace(hour=0) + timedelta(days=90)).timestamp())
