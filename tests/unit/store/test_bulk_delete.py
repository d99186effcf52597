"""Bulk deletions: 25 rows a call, or a call for each row whose guards must be unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from shared.archetypes.purge.dependents import OBJECTS
from shared.aws.cloud import Cloud
from shared.store import table
from shared.store.age_index import Row
from shared.store.bulk_delete import DELETING, GROUP, BulkDeleter, delete_rows
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


@pytest.mark.parametrize("guards", [(), ("state",)])
def test_dependents_are_deleted_in_groups_that_fill_a_call(
    guards: tuple[str, ...], cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.store.bulk_delete.GROUP", 60)
    rows = [put(cloud, number, state="held") for number in range(130)]
    sizes: list[int] = []
    with BulkDeleter(cloud, STATE, guards, lambda group: sizes.append(len(group))) as deleter:
        for start in range(0, 130, 13):
            deleter.add(rows[start : start + 13])
    assert sizes == [60, 60, 10]
    assert (deleter.gone, deleter.moved, stored(cloud)) == (130, 0, [])


def test_a_group_is_s3s_limit_for_one_call() -> None:
    assert GROUP == OBJECTS == 1000
