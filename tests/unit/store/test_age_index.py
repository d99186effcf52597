"""Reading rows by age: in pages, oldest first within a partition, never younger than the cutoff."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared import clock
from shared.aws.cloud import Cloud
from shared.store import age_index
from shared.store.age_index import AgeIndex, ExpiredRows, Row, begins_with_timestamp, read_full_rows
from shared.tables import STATE
from tests.conftest import NOON, Calls, create
from tests.support.holds import AGED, HOLDS, put

SOURCE = AgeIndex(HOLDS, AGED, ("state",))


@pytest.fixture(autouse=True)
def _table(cloud: Cloud) -> None:
    create(cloud, HOLDS)


def days_ago(days: int) -> str:
    return clock.iso(NOON - timedelta(days=days))


def expired(cloud: Cloud, until: str, after: str = "") -> ExpiredRows:
    return ExpiredRows(cloud, SOURCE, AGED.partitions(), until, after)


def test_rows_up_to_the_cutoff_are_read_and_younger_ones_are_not(cloud: Cloud) -> None:
    for days in (40, 31, 30, 29):
        put(cloud, f"h{days}", days_ago(days))
    assert sorted(row.pk for row in expired(cloud, days_ago(30)).rows()) == ["h30", "h31", "h40"]


def test_rows_up_to_the_earlier_cutoff_are_left_out(cloud: Cloud) -> None:
    for days in (40, 31, 30):
        put(cloud, f"h{days}", days_ago(days))
    assert [row.pk for row in expired(cloud, days_ago(30), after=days_ago(31)).rows()] == ["h30"]


def test_a_sort_key_that_continues_after_the_timestamp_is_included(cloud: Cloud) -> None:
    put(cloud, "h1", days_ago(30) + "#7")
    assert [row.pk for row in expired(cloud, days_ago(30)).rows()] == ["h1"]


def test_every_page_of_every_partition_is_read_once_and_oldest_first(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(age_index, "PAGE", 2)
    for number in range(30):
        put(cloud, f"h{number}", days_ago(60 - number))
    rows = list(expired(cloud, days_ago(30)).rows())
    assert sorted(row.pk for row in rows) == sorted(f"h{number}" for number in range(30))
    for partition in AGED.partitions():
        since = [row.since for row in rows if row.partition == partition]
        assert since == sorted(since)


def test_counting_stops_above_the_limit(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(age_index, "PAGE", 1)
    for number in range(12):
        put(cloud, f"h{number}", days_ago(40))
    assert expired(cloud, days_ago(30)).size(100) == 12
    few = expired(cloud, days_ago(30))
    assert few.glance()[1]
    calls = Calls(cloud)
    assert few.size(2) > 2
    assert calls.made == []


def test_a_row_has_the_attributes_that_the_source_reads(cloud: Cloud) -> None:
    put(cloud, "h1", days_ago(40), state="held", owner="ada")
    [row] = expired(cloud, days_ago(30)).rows()
    assert (row.key, row.dated, dict(row.item)) == (("h1", "-"), True, {"state": "held"})


def test_full_rows_leave_out_what_is_gone_or_has_moved(cloud: Cloud) -> None:
    for key in ("stays", "moves", "goes"):
        put(cloud, key, days_ago(40), owner="ada")
    rows = list(expired(cloud, days_ago(30)).rows())
    put(cloud, "moves", days_ago(1), owner="ada")
    cloud.dynamodb.delete_item(TableName=cloud.names.table("held"), Key={"pk": {"S": "goes"}, "sk": {"S": "-"}})
    assert [(row.pk, row.item["owner"]) for row in read_full_rows(cloud, SOURCE, rows)] == [("stays", "ada")]


def test_a_table_may_be_read_by_its_own_sort_key(cloud: Cloud) -> None:
    source = AgeIndex(STATE, None)
    assert source.keys == ("pk", "sk")
    item = {"pk": {"S": "a"}, "sk": {"S": days_ago(40)}}
    assert source.row(item, "a") == Row("a", days_ago(40), "a", days_ago(40), {})


@pytest.mark.parametrize(
    ("text", "dated"),
    [
        ("2026-03-02T12:00:00.000Z", True),
        ("2026-03-02T12:00:00.000Z#h1", True),
        ("2028-02-29T00:00:00.000Z", True),
        ("2026-02-30T12:00:00.000Z", False),
        ("2026-03-02T24:00:00.000Z", False),
        ("2026-03-02T12:00:00Z", False),
        ("", False),
    ],
)
def test_only_a_timestamp_of_an_existing_day_is_an_age(text: str, dated: bool) -> None:
    assert begins_with_timestamp(text) is dated
