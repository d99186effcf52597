"""Transactions through the gateway: all or none, and the reason of each write that was refused."""

from __future__ import annotations

from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.store import table
from shared.store.keys import RowKey
from shared.store.transaction import ConditionCheck, Delete, Put, TransactionCancelled, Update, write_together
from shared.tables import STATE
from tests.conftest import Calls

A, B, C, D = (RowKey("transaction", name) for name in "abcd")


def row(key: RowKey, **values: Any) -> dict[str, Any]:
    return {**key.attributes, **values}


def test_puts_updates_deletes_and_checks_are_one_call(cloud: Cloud) -> None:
    for key in (B, C, D):
        table.put(cloud, STATE, row(key, n=1))
    calls = Calls(cloud)
    write_together(
        cloud,
        [
            Put(STATE, row(A, n=1), condition="attribute_not_exists(pk)"),
            Update(STATE, B, "SET #n = :new", values={":new": 2, ":old": 1}, names={"#n": "n"}, condition="#n = :old"),
            Delete(STATE, C, condition="n = :old", values={":old": 1}),
            ConditionCheck(STATE, D, condition="attribute_exists(pk)"),
        ],
    )
    assert calls.made == ["dynamodb:TransactWriteItems"]
    assert [table.get(cloud, STATE, key).get("n") for key in (A, B, C, D)] == [1, 2, None, 1]


def test_a_condition_that_does_not_hold_cancels_all_and_returns_the_row(cloud: Cloud) -> None:
    table.put(cloud, STATE, row(B, n=1))
    with pytest.raises(TransactionCancelled) as cancelled:
        write_together(cloud, [Put(STATE, row(A)), Put(STATE, row(B, n=2), condition="attribute_not_exists(pk)")])
    assert cancelled.value.codes == ("None", "ConditionalCheckFailed")
    assert cancelled.value.items == ({}, row(B, n=1))
    assert cancelled.value.condition_failed
    assert not cancelled.value.conflicted
    assert table.get(cloud, STATE, A) == {}


def test_the_bulk_client_writes_the_same(cloud: Cloud) -> None:
    write_together(cloud, [Put(STATE, row(A)), Put(STATE, row(B))], patient=True)
    assert [table.get(cloud, STATE, key) for key in (A, B)] == [row(A), row(B)]


def conflicting(cloud: Cloud, times: int, *codes: str, patient: bool = False) -> list[str]:
    """Cancel the next transactions as DynamoDB does where another one is writing the same row; the calls so far."""
    made: list[str] = []

    def cancel(model: Any, **_: Any) -> None:
        made.append(model.name)
        if len(made) <= times:
            response: Any = {"Error": {}, "CancellationReasons": [{"Code": code} for code in codes]}
            raise client.exceptions.TransactionCanceledException(response, model.name)

    client = cloud.bulk if patient else cloud.dynamodb
    client.meta.events.register("before-call.dynamodb.TransactWriteItems", cancel)
    return made


def test_a_conflict_is_raised_unless_repetition_is_asked_for(cloud: Cloud) -> None:
    made = conflicting(cloud, 1, "TransactionConflict", "None")
    with pytest.raises(TransactionCancelled, match="TransactionConflict, None") as cancelled:
        write_together(cloud, [Put(STATE, row(A)), Put(STATE, row(B))])
    assert cancelled.value.conflicted
    assert len(made) == 1


def test_a_conflict_is_retried_as_often_as_asked(cloud: Cloud) -> None:
    made = conflicting(cloud, 2, "TransactionConflict", "None")
    write_together(cloud, [Put(STATE, row(A)), Put(STATE, row(B))], tries=3)
    assert len(made) == 3
    assert table.get(cloud, STATE, A) == row(A)


def test_a_conflict_is_raised_after_the_last_try(cloud: Cloud) -> None:
    made = conflicting(cloud, 9, "TransactionConflict", "None")
    with pytest.raises(TransactionCancelled):
        write_together(cloud, [Put(STATE, row(A)), Put(STATE, row(B))], tries=3)
    assert len(made) == 3


def test_a_failed_condition_beside_a_conflict_is_not_retried(cloud: Cloud) -> None:
    made = conflicting(cloud, 1, "TransactionConflict", "ConditionalCheckFailed")
    with pytest.raises(TransactionCancelled):
        write_together(cloud, [Put(STATE, row(A)), Put(STATE, row(B))], tries=3)
    assert len(made) == 1
