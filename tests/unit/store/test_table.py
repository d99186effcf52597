"""The gateway to DynamoDB: plain data in and out, the row where a condition fails, and lost replies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore import xform_name

from shared.aws.cloud import Cloud
from shared.store import table
from shared.store.keys import RowKey
from shared.store.table import ConditionFailed
from shared.tables import STATE
from tests.conftest import Calls

KEY = RowKey("gateway", "a")
MISSING = RowKey("gateway", "missing")


def row(key: RowKey = KEY, **values: Any) -> dict[str, Any]:
    return {**key.attributes, **values}


def lose_reply(cloud: Cloud, operation: str) -> None:
    """Make the SDK send the next call of this operation twice, as it does where the reply to the first was lost."""
    pending = [operation]

    def perform_first(params: Any, model: Any, **_: Any) -> None:
        if pending:
            pending.clear()
            getattr(cloud.bulk, xform_name(model.name))(**json.loads(params["body"]))

    cloud.dynamodb.meta.events.register(f"before-call.dynamodb.{operation}", perform_first)


def test_a_row_is_read_as_it_was_written(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(n=1, part=0.5, flags=[True, None], nested={"a": "b"}, absent=None))
    assert table.get(cloud, STATE, KEY) == row(n=1, part=0.5, flags=[True, None], nested={"a": "b"})


def test_a_missing_row_is_empty(cloud: Cloud) -> None:
    assert table.get(cloud, STATE, MISSING) == {}


def test_only_the_attributes_asked_for_are_returned(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(n=1, name="x", more=2))
    assert table.get(cloud, STATE, KEY, attributes_read=("n", "name")) == {"n": 1, "name": "x"}


def test_a_query_yields_the_rows_of_all_pages_in_order(cloud: Cloud) -> None:
    for name in "abcde":
        table.put(cloud, STATE, row(RowKey("gateway", name)))
    calls = Calls(cloud)
    found = table.query(
        cloud, STATE, "#pk = :pk AND sk > :from", {":pk": "gateway", ":from": "a"}, names={"#pk": "pk"}, Limit=2
    )
    assert [item["sk"] for item in found] == ["b", "c", "d", "e"]
    assert calls.made.count("dynamodb:Query") >= 2


def test_a_query_returns_only_the_attributes_asked_for(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(n=1, name="x", more=2))
    found = table.query(cloud, STATE, "pk = :pk", {":pk": "gateway"}, attributes_read=("n", "name"), patient=True)
    assert list(found) == [{"n": 1, "name": "x"}]


def test_a_query_is_continued_page_by_page(cloud: Cloud) -> None:
    for name in "abc":
        table.put(cloud, STATE, row(RowKey("gateway", name)))
    first, start = table.query_page(cloud, STATE, "pk = :pk", {":pk": "gateway"}, Limit=2)
    rest, end = table.query_page(cloud, STATE, "pk = :pk", {":pk": "gateway"}, start=start, Limit=2)
    assert [[item["sk"] for item in page] for page in (first, rest)] == [["a", "b"], ["c"]]
    assert end is None


def test_a_set_of_text_is_added_to_and_read_as_a_list(cloud: Cloud) -> None:
    table.update(cloud, STATE, KEY, "ADD ids :ids", {":ids": {"b"}})
    after = table.update(cloud, STATE, KEY, "ADD ids :ids", {":ids": {"a"}}, return_new=True)
    assert sorted(after["ids"]) == ["a", "b"]


def test_a_row_is_created_once(cloud: Cloud) -> None:
    assert table.put_if_absent(cloud, STATE, row(n=1))
    assert not table.put_if_absent(cloud, STATE, row(n=2))
    assert table.get(cloud, STATE, KEY) == row(n=1)


def test_a_failed_condition_of_a_put_returns_the_row_that_stands(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(n=1))
    with pytest.raises(ConditionFailed) as failed:
        table.put_if(cloud, STATE, row(n=3), "#n = :n", {":n": 2}, names={"#n": "n"})
    assert failed.value.item == row(n=1)
    assert table.get(cloud, STATE, KEY) == row(n=1)


def test_a_failed_condition_on_a_missing_row_returns_nothing(cloud: Cloud) -> None:
    with pytest.raises(ConditionFailed) as failed:
        table.update(cloud, STATE, MISSING, "SET n = :n", {":n": 1}, condition="attribute_exists(pk)")
    assert failed.value.item == {}


def test_an_update_returns_the_row_as_it_stood_before(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(n=1))
    assert table.update(cloud, STATE, KEY, "SET n = :n", {":n": 2}, condition="n < :n") == row(n=1)
    assert table.get(cloud, STATE, KEY) == row(n=2)


def test_an_update_without_its_condition_writes_nothing(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(n=1))
    assert not table.update_if(cloud, STATE, KEY, "SET n = :n", {":n": 2, ":old": 0}, "n = :old")
    assert table.update_if(cloud, STATE, KEY, "SET n = :n", {":n": 3, ":old": 1}, "n = :old")
    assert table.get(cloud, STATE, KEY) == row(n=3)


def test_a_deletion_whose_condition_fails_leaves_the_row(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(n=1))
    assert not table.delete(cloud, STATE, KEY, condition="n = :n", values={":n": 2})
    assert table.get(cloud, STATE, KEY) == row(n=1)
    assert table.delete(cloud, STATE, KEY, condition="n = :n", values={":n": 1})
    assert table.get(cloud, STATE, KEY) == {}


def test_a_missing_row_is_deleted_already(cloud: Cloud) -> None:
    assert table.delete(cloud, STATE, MISSING)


@pytest.mark.moto
def test_a_put_whose_reply_was_lost_has_won(cloud: Cloud) -> None:
    lose_reply(cloud, "PutItem")
    assert table.put_if_absent(cloud, STATE, row(nonce="mine"), won=lambda item: item.get("nonce") == "mine")


def test_a_put_that_another_writer_preceded_has_not_won(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(nonce="theirs"))
    assert not table.put_if_absent(cloud, STATE, row(nonce="mine"), won=lambda item: item.get("nonce") == "mine")


@pytest.mark.moto
def test_without_won_a_lost_reply_is_a_failed_condition(cloud: Cloud) -> None:
    lose_reply(cloud, "PutItem")
    assert not table.put_if_absent(cloud, STATE, row(nonce="mine"))


@pytest.mark.moto
def test_an_update_whose_reply_was_lost_has_won(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(n=1))
    lose_reply(cloud, "UpdateItem")
    assert table.update_if(
        cloud, STATE, KEY, "SET n = :n", {":n": 2, ":old": 1}, "n = :old", won=lambda item: item.get("n") == 2
    )
    assert table.get(cloud, STATE, KEY) == row(n=2)


@pytest.mark.moto
def test_an_update_whose_reply_was_lost_returns_the_new_row(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(n=1))
    lose_reply(cloud, "UpdateItem")
    new = table.update(
        *(cloud, STATE, KEY, "SET n = :n", {":n": 2, ":old": 1}),
        condition="n = :old",
        won=lambda item: item.get("n") == 2,
        return_new=True,
    )
    assert new == row(n=2)
