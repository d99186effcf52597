"""Verdicts outlive the rows that tell them, in a few bytes an hour."""

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
from shared.ledger.ledger import Accounts, TickOutcome, TickRecord
from tests.conftest import NOON, Calls

ACCOUNTS = st.builds(TickRecord, st.sampled_from(list(daily.CODES)), st.booleans())
HOURS = st.dictionaries(st.integers(0, 59).map(lambda minute: NOON.replace(minute=minute)), ACCOUNTS)
RAN = TickRecord(TickOutcome.RAN)


def hour(verdict: TickOutcome, *minutes: int, again: bool = False) -> Accounts:
    return {NOON.replace(minute=minute): TickRecord(verdict, again) for minute in minutes or range(60)}


def item(cloud: Cloud) -> dict[str, Any]:
    return DailyLedger(cloud, "sweep").day("2026-03-02")


@pytest.fixture
def folds(cloud: Cloud) -> DailyLedger:
    return DailyLedger(cloud, "sweep")


@given(HOURS)
def test_an_hour_is_read_back_as_it_was_written(told: Accounts) -> None:
    assert decode(encode(told, NOON), NOON) == told


def test_every_verdict_but_the_passing_ones_has_a_letter_of_its_own() -> None:
    assert set(TickOutcome) - set(daily.CODES) == {TickOutcome.RUNNING, TickOutcome.AWAITED}
    assert len(set(daily.CODES.values()) | {daily.AGAIN}) == len(daily.CODES) + 1


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (hour(TickOutcome.RAN), "r*"),
        (hour(TickOutcome.RAN, *range(3, 60, 5)), "r3/5"),
        (
            hour(TickOutcome.RAN) | hour(TickOutcome.MISSED, 12) | hour(TickOutcome.RAN, 7, again=True),
            "+7 m12 r0-11,13-59",
        ),
    ],
)
def test_an_ordinary_hour_is_a_few_bytes(told: Accounts, text: str) -> None:
    assert encode(told, NOON) == text


def test_a_day_of_every_minute_with_trouble_in_each_hour_is_one_write_unit(folds: DailyLedger, cloud: Cloud) -> None:
    for number in range(24):
        start = NOON.replace(hour=number)
        told = {start + timedelta(minutes=minute): RAN for minute in range(60)}
        told |= {
            start.replace(minute=number): TickRecord(TickOutcome.LATE),
            start.replace(minute=59): TickRecord(TickOutcome.LOCKED),
        }
        assert folds.add(told) == 1
    assert attributes.size(attributes.row(item(cloud))) <= 1024


def test_an_hour_costs_one_read_and_one_write_and_the_same_again_only_the_read(
    folds: DailyLedger, cloud: Cloud
) -> None:
    calls = Calls(cloud)
    assert folds.add(hour(TickOutcome.RAN)) == 1
    assert calls.made == ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    calls.clear()
    assert folds.add(hour(TickOutcome.RAN)) == 0
    assert calls.made == ["dynamodb:GetItem"]


def test_a_run_that_came_late_takes_the_place_of_a_missed_tick_and_never_the_other_way(folds: DailyLedger) -> None:
    folds.add(hour(TickOutcome.MISSED, 0, 30))
    folds.add(hour(TickOutcome.LATE, 30))
    folds.add(hour(TickOutcome.MISSED, 0, 30))
    assert folds.read(NOON, NOON) == hour(TickOutcome.MISSED, 0) | hour(TickOutcome.LATE, 30)


def test_days_are_read_with_one_query_in_order(folds: DailyLedger, cloud: Cloud) -> None:
    midnight = NOON.replace(hour=23, minute=59)
    folds.add({midnight + timedelta(minutes=1): RAN, midnight: RAN})
    calls = Calls(cloud)
    assert list(folds.read(NOON, NOON + timedelta(days=1))) == [midnight, midnight + timedelta(minutes=1)]
    assert calls.made == ["dynamodb:Query"]


def test_what_is_at_work_is_not_folded(folds: DailyLedger, cloud: Cloud) -> None:
    calls = Calls(cloud)
    assert folds.add(hour(TickOutcome.RUNNING)) == 0
    assert calls.made == []


def between_read_and_write(folds: DailyLedger, monkeypatch: pytest.MonkeyPatch, cloud: Cloud, times: int) -> None:
    """Somebody else folds a minute of his own into the day, so many times."""
    read, left = folds.day, iter(range(times))

    def day(day: str) -> dict[str, Any]:
        found = read(day)
        minute = next(left, None)
        if minute is not None:
            assert DailyLedger(cloud, "sweep").add(hour(TickOutcome.FAILED, minute)) == 1
        return found

    monkeypatch.setattr(folds, "day", day)


def test_two_writers_of_a_day_lose_nothing(folds: DailyLedger, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    folds.add(hour(TickOutcome.RAN, 40))
    between_read_and_write(folds, monkeypatch, cloud, 2)
    assert folds.add(hour(TickOutcome.RAN, 50)) == 1
    assert folds.read(NOON, NOON) == hour(TickOutcome.FAILED, 0, 1) | hour(TickOutcome.RAN, 40, 50)


def test_a_day_that_cannot_be_won_is_an_error_not_a_loss(
    folds: DailyLedger, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    between_read_and_write(folds, monkeypatch, cloud, 3)
    with pytest.raises(DailyLedgerConflict, match="ledger#sweep 2026-03-02 was written 3 times"):
        folds.add(hour(TickOutcome.RAN, 50))


def test_a_fold_is_kept_for_ninety_days(folds: DailyLedger, cloud: Cloud) -> None:
    folds.add(hour(TickOutcome.RAN))
    assert item(cloud)["expires"] == int((NOON.replace(hour=0) + timedelta(days=90)).timestamp())
