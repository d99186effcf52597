"""Reads of many rows by their keys: chunks of 100, unprocessed keys, throttling."""

from __future__ import annotations

from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.store import table
from shared.store.batch_get import Key, batch_get, batch_get_rows
from shared.store.keys import RowKey
from shared.store.throttling import Throttled
from shared.tables import STATE, WEBEVALS
from tests.conftest import Calls


def key(number: int) -> RowKey:
    return RowKey("batch", f"{number:03d}")


def leave_unprocessed(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Answer the next calls as DynamoDB does where it throttles: the first key of each table is left unprocessed."""
    real: Any = cloud.bulk.batch_get_item
    calls = iter(range(times))

    def throttled(RequestItems: Any) -> Any:  # noqa: N803 - the parameter's name in boto3
        if next(calls, None) is None:
            return real(RequestItems=RequestItems)
        left = {name: {**each, "Keys": each["Keys"][:1]} for name, each in RequestItems.items()}
        rest = {name: {**each, "Keys": each["Keys"][1:]} for name, each in RequestItems.items() if each["Keys"][1:]}
        responses = real(RequestItems=rest)["Responses"] if rest else {}
        return {"Responses": responses, "UnprocessedKeys": left}

    monkeypatch.setattr(cloud.bulk, "batch_get_item", throttled)


def test_rows_are_read_by_the_hundred_and_missing_ones_left_out(cloud: Cloud) -> None:
    for number in range(0, 120, 60):
        table.put(cloud, STATE, {**key(number).attributes, "n": number})
    calls = Calls(cloud)
    rows = list(batch_get_rows(cloud, STATE, [key(number) for number in range(120)]))
    assert sorted(row["n"] for row in rows) == [0, 60]
    assert calls.made == ["dynamodb:BatchGetItem"] * 2


def test_a_key_is_requested_once(cloud: Cloud) -> None:
    table.put(cloud, STATE, {**key(1).attributes})
    assert len(list(batch_get_rows(cloud, STATE, [key(1), key(1)]))) == 1


def test_only_the_attributes_asked_for_are_read(cloud: Cloud) -> None:
    table.put(cloud, STATE, {**key(1).attributes, "n": 1, "name": "x"})
    assert list(batch_get_rows(cloud, STATE, [key(1)], attributes_read=("sk", "name"))) == [{"sk": "001", "name": "x"}]


def test_rows_of_several_tables_are_one_call(cloud: Cloud) -> None:
    table.put(cloud, STATE, {**key(1).attributes, "n": 1})
    table.put(cloud, WEBEVALS, {**key(2).attributes, "n": 2})
    calls = Calls(cloud)
    wanted = [Key("state", *key(1)), Key("webevals", *key(2)), Key("webevals", *key(3))]
    assert {key: row["n"] for key, row in batch_get(cloud, wanted).items()} == {wanted[0]: 1, wanted[1]: 2}
    assert calls.made == ["dynamodb:BatchGetItem"]


def test_unprocessed_keys_are_requested_again(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        table.put(cloud, STATE, {**key(number).attributes, "n": number})
    leave_unprocessed(cloud, monkeypatch, 2)
    rows = batch_get_rows(cloud, STATE, [key(number) for number in range(3)], attributes_read=("n",))
    assert sorted(row["n"] for row in rows) == [0, 1, 2]


def test_keys_that_stay_unprocessed_are_an_error(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_unprocessed(cloud, monkeypatch, 9)
    with pytest.raises(Throttled, match=r"^1 rows of nightshift-test-state were not read in 6 tries"):
        list(batch_get_rows(cloud, STATE, [key(1), key(2)]))
