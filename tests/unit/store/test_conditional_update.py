"""Updates of a row that must be unchanged, alone and together with the creation of other rows."""

from __future__ import annotations

from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.store import table
from shared.store.conditional_update import update_if_unchanged
from shared.store.keys import RowKey
from shared.store.transaction import Put, TransactionCancelled
from shared.tables import STATE
from tests.conftest import Calls
from tests.unit.store.test_transaction import conflicting

KEY = RowKey("conditional", "a")
OTHER = Put(STATE, {"pk": "conditional", "sk": "other", "n": 1}, condition="attribute_not_exists(pk)")


def row(**values: Any) -> dict[str, Any]:
    return {**KEY.attributes, **values}


def test_changed_attributes_are_set_and_missing_ones_removed(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(n=1, old="x", kept=True))
    assert update_if_unchanged(cloud, STATE, row(n=1, old="x", kept=True), row(n=2, new="y", kept=True))
    assert table.get(cloud, STATE, KEY) == row(n=2, new="y", kept=True)


def test_a_row_that_has_changed_is_left_as_it_is(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(n=5))
    assert not update_if_unchanged(cloud, STATE, row(n=1), row(n=2))
    assert table.get(cloud, STATE, KEY) == row(n=5)


def test_a_guard_must_be_unchanged_too(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(n=1, due="later"))
    assert not update_if_unchanged(cloud, STATE, row(n=1, due="now"), row(n=2, due="now"), guards=("due",))
    assert update_if_unchanged(cloud, STATE, row(n=1, due="now"), row(n=2, due="now"))


def test_a_deleted_row_is_not_created_again(cloud: Cloud) -> None:
    assert not update_if_unchanged(cloud, STATE, row(), row(n=2))
    assert table.get(cloud, STATE, KEY) == {}


def test_a_null_is_compared_and_removed(cloud: Cloud) -> None:
    cloud.dynamodb.put_item(
        TableName=cloud.names.table("state"), Item={"pk": {"S": KEY.pk}, "sk": {"S": KEY.sk}, "gone": {"NULL": True}}
    )
    assert not update_if_unchanged(cloud, STATE, row(gone=1), row(n=1))
    assert update_if_unchanged(cloud, STATE, row(gone=None), row(n=1))
    assert table.get(cloud, STATE, KEY) == row(n=1)


def test_other_rows_are_created_by_the_same_transaction(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(n=1))
    calls = Calls(cloud)
    assert update_if_unchanged(cloud, STATE, row(n=1), row(n=2), with_puts=[OTHER])
    assert calls.made == ["dynamodb:TransactWriteItems"]
    assert table.get(cloud, STATE, RowKey("conditional", "other"))["n"] == 1


def test_no_row_is_created_beside_a_row_that_has_changed(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(n=5))
    calls = Calls(cloud)
    assert not update_if_unchanged(cloud, STATE, row(n=1), row(n=2), with_puts=[OTHER])
    # The row will not become what it was: nothing is tried again.
    assert calls.made == ["dynamodb:TransactWriteItems"]
    assert table.get(cloud, STATE, RowKey("conditional", "other")) == {}


def test_an_existing_row_stays_and_the_update_is_still_made(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(n=1))
    table.put(cloud, STATE, {**OTHER.item, "n": 7})
    assert update_if_unchanged(cloud, STATE, row(n=1), row(n=2), with_puts=[OTHER])
    assert table.get(cloud, STATE, KEY) == row(n=2)
    assert table.get(cloud, STATE, RowKey("conditional", "other"))["n"] == 7


def test_an_attribute_that_becomes_none_is_removed(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(n=1, due="now"))
    assert update_if_unchanged(cloud, STATE, row(n=1, due="now"), row(n=1, due=None))
    assert table.get(cloud, STATE, KEY) == row(n=1)


def test_a_transaction_that_is_refused_for_another_reason_is_no_changed_row(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(n=1))
    calls = conflicting(cloud, 1, "ValidationError", "None", patient=True)
    with pytest.raises(TransactionCancelled, match="ValidationError"):
        update_if_unchanged(cloud, STATE, row(n=1), row(n=2), with_puts=[OTHER])
    assert len(calls) == 1
    assert table.get(cloud, STATE, KEY) == row(n=1)
