"""Bulk deletions: 25 rows a call, or a call for each row whose guards must be unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.store import table
from shared.store.age_index import Row
from shared.store.bulk_delete import DELETING, BulkDeleter, delete_rows
from shared.store.keys import RowKey
from shared.tables import STATE
from tests.conftest import Calls


def put(cloud: Cloud, number: int, **values: Any) -> Row:
    item = {"pk": "bulk", "sk": f"{number:03d}", **values}
    table.put(cloud, STATE, item)
    return Row(item["pk"], item["sk"], "", "", item)


def stored(cloud: Cloud) -> list[dict[str, Any]]:
    return list(table.query(cloud, STATE, "pk = :pk", {":pk": "bulk"}))


def test_each_call_deletes_25_rows(cloud: Cloud) -> None:
    rows = [put(cloud, number) for number in range(60)]
    calls = Calls(cloud)
    with BulkDeleter(cloud, STATE) as deleter:
        deleter.add(rows)
    assert calls.made == ["dynamodb:BatchWriteItem"] * 3
    assert (deleter.gone, deleter.moved, stored(cloud)) == (60, 0, [])


def test_a_key_that_is_found_twice_is_deleted_once(cloud: Cloud) -> None:
    row = put(cloud, 1)
    assert delete_rows(cloud, STATE, [row.key, row.key]) == 1


def test_a_row_whose_guard_has_changed_stays(cloud: Cloud) -> None:
    same, changed = put(cloud, 1, state="held"), put(cloud, 2, state="held")
    put(cloud, 2, state="released")
    with BulkDeleter(cloud, STATE, guards=("state",)) as deleter:
        deleter.add([same, changed])
    assert (deleter.gone, deleter.moved) == (1, 1)
    assert [row["state"] for row in stored(cloud)] == ["released"]


def test_a_guard_that_was_missing_must_still_be_missing(cloud: Cloud) -> None:
    row = put(cloud, 1)
    put(cloud, 1, state="held")
    with BulkDeleter(cloud, STATE, guards=("state",)) as deleter:
        deleter.add([row])
    assert deleter.moved == 1


def test_a_missing_row_counts_as_deleted(cloud: Cloud) -> None:
    row = put(cloud, 1, state="held")
    delete_rows(cloud, STATE, [row.key])
    with BulkDeleter(cloud, STATE, guards=("state",)) as deleter:
        deleter.add([row])
    assert (deleter.gone, deleter.moved) == (1, 0)


def test_a_guarded_row_is_marked_before_its_dependents_are_deleted(cloud: Cloud) -> None:
    unchanged, changed = put(cloud, 1, state="held"), put(cloud, 2, state="held")
    put(cloud, 2, state="released")
    seen: list[tuple[str, Any]] = []

    def delete_dependents(rows: Sequence[Row]) -> None:
        seen.extend((row.sk, table.get(cloud, STATE, row.key)[DELETING]) for row in rows)

    with BulkDeleter(cloud, STATE, ("state",), delete_dependents) as deleter:
        deleter.add([unchanged, changed])
    assert seen == [("001", True)]
    assert (deleter.gone, deleter.moved) == (1, 1)


def test_rows_whose_dependents_could_not_be_deleted_stay(cloud: Cloud) -> None:
    def fail(_: Sequence[Row]) -> None:
        raise OSError("no bucket")

    row = put(cloud, 1)
    with pytest.raises(OSError, match="no bucket"), BulkDeleter(cloud, STATE, before_batch=fail) as deleter:
        deleter.add([row])
    assert table.get(cloud, STATE, RowKey("bulk", "001"))
