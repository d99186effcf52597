"""A history row keeps the outcome that was written first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job.outcome import Done, Failed
from shared.run.firing import Firing
from shared.run.history import History, gap_id
from shared.store import keys
from tests.conftest import NOON

RUN = "20260302T120001.000Z-0123abcd"
FIRING = Firing("sweep", NOON)
STARTED = NOON + timedelta(seconds=1)
GAP = gap_id(NOON)
LEFT = {"outcome": "done", "ok": True, "at": "2026-03-02T12:00:01.000Z", "ms": 7}
Write = Callable[[History], object]

# Writes by the run itself, and by those that find it interrupted, or finished without a row.
WRITES: dict[str, Write] = {
    "done": lambda history: history.write(FIRING, RUN, STARTED, Done({"swept": 1}), 7),
    "failed": lambda history: history.write(FIRING, RUN, STARTED, Failed("no table", "KeyError", ""), 7),
    "lost": lambda history: history.record_lost(RUN, "-", "its lease ran out", FIRING.position, 1),
    "recovered": lambda history: history.record_finished(RUN, "-", LEFT, FIRING.position, 1),
}


@pytest.fixture
def history(cloud: Cloud) -> History:
    return History(cloud, "sweep", "standard")


def row(history: History, run: str = RUN) -> dict[str, Any]:
    found = history.cloud.dynamodb.get_item(
        TableName=history.cloud.names.table("state"), Key=attributes.row(keys.run("sweep", run).attributes)
    )
    return attributes.plain(found["Item"])


@pytest.mark.parametrize("second", WRITES)
@pytest.mark.parametrize("first", WRITES)
def test_a_row_with_another_outcome_is_left_alone(history: History, first: str, second: str) -> None:
    WRITES[first](history)
    before = row(history)
    WRITES[second](history)
    after = row(history)
    if (first, second) == ("recovered", "done"):
        # The run itself, late: its row of the same outcome has the counts too.
        assert after == {**before, "counts": {"swept": 1}}
    else:
        assert after == before


def test_a_second_delivery_is_counted_once_before_the_row_and_after_it(history: History) -> None:
    history.duplicate(RUN, "second", FIRING)
    history.duplicate(RUN, "second", FIRING)
    assert "outcome" not in row(history)
    WRITES["done"](history)
    history.duplicate(RUN, "third", FIRING)
    assert row(history).items() >= {"outcome": "done", "duplicates": 2, "tick": FIRING.position}.items()


def test_a_gap_grows_and_never_shrinks(history: History) -> None:
    for minutes, told in ((15, 15), (45, 45), (30, 45)):
        history.record_missed(NOON, NOON + timedelta(minutes=minutes), minutes // 15 + 1, "no trace", "")
        assert row(history, GAP)["to"] == f"2026-03-02T12:{told}Z"
    assert row(history, GAP)["count"] == 4
