"""Bulk writes: new rows are written, existing rows stay, quarantined rows are corrected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.store import table
from shared.store.bulk_put import BulkWriter
from shared.store.keys import RowKey
from shared.store.record import FAULT
from shared.tables import STATE
from tests.conftest import Calls


def row(number: int, **values: Any) -> dict[str, Any]:
    return {"pk": "bulk", "sk": f"{number:03d}", **values}


def write(cloud: Cloud, rows: Iterable[Mapping[str, Any]], lanes: int = 2) -> tuple[int, int]:
    with BulkWriter(cloud, STATE, lanes) as writer:
        for item in rows:
            writer.add(item)
    return writer.written, writer.there


def stored(cloud: Cloud) -> list[dict[str, Any]]:
    return list(table.query(cloud, STATE, "pk = :pk", {":pk": "bulk"}))


def test_all_rows_are_written_in_batches(cloud: Cloud) -> None:
    rows = [row(number, n=number) for number in range(230)]
    calls = Calls(cloud)
    assert write(cloud, rows, lanes=1) == (230, 0)
    # Lanes of 100, 100 and 30 rows: one read each, and 4, 4 and 2 writes.
    assert calls.made.count("dynamodb:BatchGetItem") == 3
    assert calls.made.count("dynamodb:BatchWriteItem") == 10
    assert stored(cloud) == rows


def test_an_existing_row_stays_and_is_counted(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(1, n="old"))
    assert write(cloud, [row(1, n="new"), row(2, n="new")]) == (1, 1)
    assert [item["n"] for item in stored(cloud)] == ["old", "new"]


def test_a_quarantined_row_is_replaced_by_its_correction(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(1, **{FAULT: "n: is missing"}))
    assert write(cloud, [row(1, n=1)]) == (1, 0)
    assert stored(cloud) == [row(1, n=1)]


def test_the_first_row_of_a_key_wins_within_one_block(cloud: Cloud) -> None:
    assert write(cloud, [row(1, n="first"), row(1, n="second")]) == (1, 1)
    assert table.get(cloud, STATE, RowKey("bulk", "001"))["n"] == "first"


def test_rows_that_wait_are_not_written_after_an_exception(cloud: Cloud) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield row(1)
        raise LookupError

    with pytest.raises(LookupError):
        write(cloud, rows())
    assert stored(cloud) == []
