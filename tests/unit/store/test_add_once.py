"""Additions to a row are made once per window, also when they are repeated."""

from __future__ import annotations

import pytest

from shared.aws.cloud import Cloud
from shared.store import table
from shared.store.add_once import UPTO, Addition, add_once
from shared.store.keys import RowKey
from shared.tables import ROLLUPS, Table

KEY = RowKey("ada", "day#2026-03-02")
FIRST, SECOND = "2026-03-02T11:00:00.000Z", "2026-03-02T12:00:00.000Z"


def addition(number: int, *, there: bool = False) -> Addition:
    return Addition(*KEY, {"bytes_used": number}, first={"created": FIRST}, sets={"changed": number}, there=there)


def test_a_missing_row_is_created_and_a_later_window_is_added(cloud: Cloud) -> None:
    assert add_once(cloud, ROLLUPS, addition(5), FIRST)
    assert add_once(cloud, ROLLUPS, addition(7), SECOND)
    row = table.get(cloud, ROLLUPS, KEY)
    assert (row["bytes_used"], row["created"], row["changed"], row[UPTO]) == (12, FIRST, 7, SECOND)


def test_a_window_is_added_once(cloud: Cloud) -> None:
    add_once(cloud, ROLLUPS, addition(5), SECOND)
    assert not add_once(cloud, ROLLUPS, addition(5), SECOND)
    assert not add_once(cloud, ROLLUPS, addition(5), FIRST)
    assert table.get(cloud, ROLLUPS, KEY)["bytes_used"] == 5


def test_a_row_that_must_exist_is_not_created(cloud: Cloud) -> None:
    assert not add_once(cloud, ROLLUPS, addition(5, there=True), FIRST)
    assert table.get(cloud, ROLLUPS, KEY) == {}


def test_an_attribute_that_is_no_number_is_an_error(cloud: Cloud) -> None:
    table.put(cloud, ROLLUPS, {ROLLUPS.pk: KEY.pk, ROLLUPS.sk: KEY.sk, "bytes_used": "many"})
    with pytest.raises(ValueError, match="day#2026-03-02 of ada in rollups cannot be added to"):
        add_once(cloud, ROLLUPS, addition(5), FIRST)


def test_another_refusal_of_dynamodb_is_no_error_of_the_row(cloud: Cloud) -> None:
    missing = Table("missing", "a table that is not deployed")
    with pytest.raises(cloud.dynamodb.exceptions.ResourceNotFoundException):
        add_once(cloud, missing, addition(5), FIRST)
