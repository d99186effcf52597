"""Rows that are due, over all shards of the index."""

from __future__ import annotations

import pytest

from shared.aws.cloud import Cloud
from shared.store import due_index, table
from shared.tables import DUE, HOLDS, NOTIFICATIONS

TIMES = [f"2026-03-02T12:0{minute}:00.000Z" for minute in range(8)]


def test_due_rows_are_yielded_in_order_over_all_shards(cloud: Cloud) -> None:
    partitions = DUE.partitions()
    for number, time in enumerate(TIMES):
        place = {DUE.pk: partitions[-number % len(partitions)], DUE.sk: time}
        table.put(cloud, NOTIFICATIONS, {"pk": "ada", "sk": f"n{number}", **place})
    rows = list(due_index.rows_due(cloud, NOTIFICATIONS, TIMES[5]))
    assert [(row.sk, row.since) for row in rows] == [(f"n{number}", TIMES[number]) for number in range(6)]


def test_a_table_without_the_index_is_an_error() -> None:
    with pytest.raises(StopIteration):
        due_index.index_of(HOLDS)
