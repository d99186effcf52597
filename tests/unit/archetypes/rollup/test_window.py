"""Sums of one window: valid rows are added up by owner and day, invalid ones are counted with their fault."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from shared import clock
from shared.archetypes.rollup.window import COUNT_LIMIT, LATEST, LOGGED, Window, invalid
from shared.store.age_index import Row
from shared.store.watermark import Watermark
from tests.conftest import NOON

NOW = clock.iso(NOON)
NAMES = ("sent", "received")


def row(owner: str = "ada", since: str = NOW, **item: Any) -> Row:
    return Row(owner, "m1", "00", since, {"at": NOW, "sent": 1, "received": 2, **item})


def window(*rows: Row) -> Window:
    summed = Window(Watermark(), NOW)
    for each in rows:
        summed.add(each, "at", NAMES)
    return summed


def test_rows_are_added_up_by_owner_and_day_and_counted_last() -> None:
    yesterday = clock.iso(NOON - timedelta(days=1))
    summed = window(row(), row(sent=10), row(at=yesterday), row(owner="bob"))
    assert summed.owners["ada"] == {date(2026, 3, 2): [11, 4, 2], date(2026, 3, 1): [1, 2, 1]}
    assert summed.owners["bob"] == {date(2026, 3, 2): [1, 2, 1]}


def test_an_invalid_row_is_not_added_and_only_the_first_ones_are_remembered() -> None:
    summed = window(*[row(sent=-1)] * (LOGGED + 5))
    assert (dict(summed.owners), summed.faulty, len(summed.faults)) == ({}, LOGGED + 5, LOGGED)


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        ({"since": "soon"}, "it was recorded at 'soon', no timestamp"),
        ({"at": None}, "at is None, no timestamp"),
        ({"at": "2026-02-30T12:00:00.000Z"}, "one of them is no timestamp"),
        ({"sent": True}, "sent is True, no count"),
        ({"sent": -1}, "sent is -1, no count"),
        ({"sent": 1.5}, "sent is 1.5, no count"),
        ({"sent": COUNT_LIMIT}, "no count"),
        ({"at": clock.iso(NOON + timedelta(hours=2))}, "after it was recorded"),
        ({"at": clock.iso(NOON - LATEST - timedelta(days=1))}, "366 days before it was recorded"),
    ],
)
def test_a_row_is_invalid_for_a_reason(broken: dict[str, Any], fault: str) -> None:
    assert fault in invalid(row(**broken), "at", NAMES)


def test_clocks_may_differ_by_an_hour() -> None:
    assert invalid(row(at=clock.iso(NOON + timedelta(minutes=59))), "at", NAMES) == ""
