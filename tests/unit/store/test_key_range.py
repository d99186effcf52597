"""Ranges of keys that DynamoDB would refuse are answered without a call."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.store import key_range, table
from shared.store.age_index import AgeIndex, ExpiredRows
from shared.tables import ROLLUPS, STATE
from tests.conftest import Calls

CONDITION = "pk = :pk AND sk BETWEEN :first AND :last"


@pytest.mark.parametrize(
    ("condition", "first", "last", "empty"),
    [
        (CONDITION, "a", "b", False),
        (CONDITION, "a", "a", False),
        (CONDITION, "b", "a", True),
        (CONDITION, "a~", "a", True),
        # By UTF-8 bytes: in UTF-16 the second one is less.
        (CONDITION, "\uffff", "\U00010000", False),
        (CONDITION, "\ud800", "a", True),
        (CONDITION, "a", "\ud800", False),
        (CONDITION, 9, 10, False),
        (CONDITION, 10, Decimal(9), True),
        (CONDITION, 1.5, Decimal("1.5"), False),
        # DynamoDB refuses bounds of two types.
        (CONDITION, "b", 1, False),
        (CONDITION, b"b", b"a", False),
        ("pk = :pk AND sk > :first", "b", "a", False),
    ],
)
def test_a_range_is_empty_if_its_lower_bound_is_above_its_upper_bound(
    condition: str, first: Any, last: Any, empty: bool
) -> None:
    assert key_range.is_empty(condition, {":pk": "p", ":first": first, ":last": last}) is empty


def test_no_query_is_made_for_an_empty_range(cloud: Cloud) -> None:
    values = {":pk": "p", ":first": "b", ":last": "a"}
    calls = Calls(cloud)
    assert list(table.query(cloud, STATE, CONDITION, values)) == []
    assert table.query_page(cloud, STATE, CONDITION, values) == ([], None)
    assert table.count(cloud, STATE, CONDITION, values) == 0
    assert calls.made == []


def test_no_row_is_old_enough_and_young_enough_at_once(cloud: Cloud) -> None:
    [index] = ROLLUPS.indexes
    calls = Calls(cloud)
    rows = ExpiredRows(cloud, AgeIndex(ROLLUPS, index), index.partitions(), "2026-03-01", after="2026-03-02")
    assert (rows.glance(), rows.size(9), list(rows.rows()), calls.made) == ((0, False), 0, [], [])
