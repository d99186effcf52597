"""A row is created once, in a write of its own or in a transaction."""

from __future__ import annotations

from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.product.records.outgoing import Notification
from shared.store import table
from shared.store.keys import RowKey
from shared.store.put_if_absent import put_arguments, put_if_absent
from shared.store.transaction import Put, TransactionCancelled, write_together
from shared.tables import NOTIFICATIONS, STATE
from tests.conftest import NOON


def put(cloud: Cloud, template: str) -> Put:
    record = Notification(user="ada", id="n1", template=template, created_at=NOON, next_attempt_at=NOON)
    return put_arguments(record)


def stored(cloud: Cloud) -> dict[str, Any]:
    return table.get(cloud, NOTIFICATIONS, RowKey("ada", "n1"))


def test_a_missing_row_is_created_and_an_existing_one_stays(cloud: Cloud) -> None:
    assert put_if_absent(cloud, put(cloud, "welcome"))
    assert not put_if_absent(cloud, put(cloud, "goodbye"))
    assert stored(cloud)["template"] == "welcome"


def test_a_transaction_is_refused_where_the_row_exists(cloud: Cloud) -> None:
    other = Put(STATE, {"pk": "once", "sk": "a"})
    assert put_if_absent(cloud, put(cloud, "welcome"))
    with pytest.raises(TransactionCancelled):
        write_together(cloud, [put(cloud, "goodbye"), other])
    assert stored(cloud)["template"] == "welcome"
    assert table.get(cloud, STATE, RowKey("once", "a")) == {}
