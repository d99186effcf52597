"""One run of a consumer: gates, pauses, failures, history, and a status that is written rarely."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome
from shared.messages.run_batch import run_batch
from shared.run.context import RunContext
from shared.run.firing import Batch
from shared.store import keys
from shared.tables import STATE
from tests.conftest import Calls, Lines, VirtualClock

RECORDS = tuple(
    {"messageId": f"m{number}", "body": "{}", "attributes": {"SentTimestamp": "1772452790000"}} for number in range(3)
)


class Inbox(Job):
    """Read the inbox."""

    name = "inbox"
    queue = "inbox"
    idempotency = natural("reading changes nothing")

    def __init__(self, work: Callable[[RunContext], Outcome] = lambda _: Done({"handled": 3})) -> None:
        self.body = work

    def work(self, run: RunContext) -> Outcome:
        return self.body(run)


Go = Callable[..., list[str]]


@pytest.fixture
def go(cloud: Cloud, log: Lines) -> Go:
    return lambda job=None: run_batch(job or Inbox(), Batch("inbox", RECORDS), cloud, log, 60)


def failing(run: RunContext) -> Outcome:
    run.answered.add("m1")
    raise RuntimeError("no inbox")


def rows(cloud: Cloud, pk: str) -> list[dict[str, Any]]:
    items = cloud.dynamodb.scan(TableName=cloud.names.table(STATE.name))["Items"]
    return [row for row in map(attributes.plain, items) if row["pk"].startswith(pk)]


def status(cloud: Cloud) -> dict[str, Any]:
    [row] = rows(cloud, keys.claims("inbox"))
    return row


def test_a_closed_gate_keeps_all_messages(go: Go, cloud: Cloud, log: Lines) -> None:
    cloud.environment = {"INBOX_ENABLE": "false"}
    assert go() == ["m0", "m1", "m2"]
    [line] = log.said("inbox_disabled")
    assert (line["level"], line["note"]) == ("WARNING", "INBOX_ENABLE is false")
    assert "streak" not in status(cloud)


def test_a_setting_that_cannot_be_read_fails_closed_and_is_recorded(go: Go, cloud: Cloud) -> None:
    cloud.environment = {"INBOX_ENABLE": "maybe"}
    assert go() == ["m0", "m1", "m2"]
    [row] = rows(cloud, "runs#inbox")
    assert row["outcome"] == "failed"
    assert row["note"].startswith("INBOX_ENABLE='maybe'")


def test_a_failed_batch_returns_the_messages_without_an_answer(go: Go, cloud: Cloud, log: Lines) -> None:
    assert go(Inbox(failing)) == ["m0", "m2"]
    [row] = rows(cloud, "runs#inbox")
    assert (row["outcome"], row["note"]) == ("failed", "RuntimeError: no inbox")
    [line] = log.said("inbox_failed")
    assert {"job", "jobId", "entityId", "duration", "status", "correlationId", "stack"} <= line.keys()


def test_a_good_batch_leaves_no_history(go: Go, cloud: Cloud) -> None:
    assert go() == []
    assert rows(cloud, "runs#inbox") == []


def test_the_status_is_written_once_a_minute(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    go()
    calls = Calls(cloud)
    go()
    assert "dynamodb:UpdateItem" not in calls.made
    clock.move(seconds=61)
    go()
    assert calls.made.count("dynamodb:UpdateItem") == 1
    assert (status(cloud)["messages_done"], status(cloud)["lag"]) == (9, 71_000)


def test_the_status_is_written_at_once_when_the_result_changes(go: Go, cloud: Cloud) -> None:
    go()
    go(Inbox(failing))
    assert (status(cloud)["status"]["outcome"], status(cloud)["streak"], status(cloud)["messages_failed"]) == (
        "failed",
        1,
        3,
    )
