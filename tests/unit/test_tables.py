"""Tables: names are unique, and an index spreads rows over partitions that depend on the key alone."""

from __future__ import annotations

from shared.tables import TABLES, Index

SHARDED = Index("aged", "aged", "since", shards=8)


def test_no_two_tables_have_the_same_name() -> None:
    assert len({table.name for table in TABLES}) == len(TABLES)


def test_no_two_indexes_of_a_table_have_the_same_name() -> None:
    assert [table.name for table in TABLES if len({index.name for index in table.indexes}) < len(table.indexes)] == []


def test_a_key_always_has_the_same_partition() -> None:
    assert SHARDED.partition("ada") == "00"
    assert SHARDED.partition("ada", "critical") == "critical#00"


def test_rows_are_spread_over_all_partitions() -> None:
    found = {SHARDED.partition(f"u-{number}") for number in range(200)}
    assert found == {*SHARDED.partitions()}
    assert len(found) == 8


def test_partitions_of_a_kind_are_listed_in_order() -> None:
    assert Index("due", "due", "due_at", shards=3).partitions("day") == ("day#00", "day#01", "day#02")
