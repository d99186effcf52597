"""One run of a consumer: gates, pauses, failures, history, and a status that is written rarely."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.admin import effects, pause
from shared.archetypes.consumer import Consumer, Message
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.duration import days
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome
from shared.messages.message_attributes import GROUP
from shared.messages.run_batch import run_batch
from shared.run import pauses
from shared.run.context import RunContext
from shared.run.firing import Batch
from shared.store import failure_index, keys
from shared.tables import STATE
from tests.conftest import NOON, Calls, Lines, VirtualClock

RECORDS = tuple(
    {"messageId": f"m{number}", "body": "{}", "attributes": {"SentTimestamp": "1772452790000"}} for number in range(3)
)
ARN = "arn:aws:sqs:us-east-1:123456789012:nightshift-test-inbox"


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


class Letters(Consumer):
    """Send a letter for each message."""

    name = "letters"
    queue = "letters"
    timeout = 60
    effects = days(30)
    idempotency = natural("each letter is an effect")

    def handle(self, run: RunContext, message: Message) -> None:
        def send(_: str) -> None:
            raise TimeoutError("no answer")

        run.effect(message.body["letterId"], send)


def test_an_uncertain_effect_is_found_by_the_organization_of_its_message(
    cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    cloud.sqs.create_queue(QueueName=cloud.names.queue("letters"))
    records = tuple(
        {
            "messageId": f"m{number}",
            "receiptHandle": "r",
            "body": json.dumps({"organizationId": f"org_{number}", "letterId": f"l{number}"}),
            "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{cloud.names.queue('letters')}",
        }
        for number in range(2)
    )
    for attempt in ("1", "2"):
        texts = {"attempt": {"stringValue": attempt, "dataType": "String"}}
        batch = Batch("letters", tuple({**record, "messageAttributes": texts} for record in records))
        run_batch(Letters(), batch, cloud, log, 60)
        clock.move(minutes=5)
    [found] = (row for row in failure_index.of_tenant(cloud, "org_1", NOON) if failure_index.kind(row) == "uncertain")
    assert (found["sk"], found["job"], found["tenant"]) == ("l1", "letters", "org_1")
    first, second = sorted(effects.uncertain_effects(cloud, "letters"), key=lambda each: str(each["key"]))
    assert (first["tenant"], second["tenant"]) == ("org_0", "org_1")
    assert not {"bad_at", "bad_tenant", "job"} & first.keys()


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


def test_the_status_is_written_once_a_minute_and_the_counts_with_each_batch(
    go: Go, cloud: Cloud, clock: VirtualClock
) -> None:
    go()
    first = status(cloud)["status"]
    clock.move(seconds=30)
    calls = Calls(cloud)
    go()
    assert calls.made.count("dynamodb:UpdateItem") == 1
    assert (status(cloud)["messages_done"], status(cloud)["status"]) == (6, first)
    clock.move(seconds=61)
    go()
    assert calls.made.count("dynamodb:UpdateItem") == 2
    assert (status(cloud)["messages_done"], status(cloud)["lag"]) == (9, 101_000)
    assert status(cloud)["status"]["at"] > first["at"]


def test_the_counts_of_all_processes_are_added(cloud: Cloud, log: Lines) -> None:
    job, sandboxes = Inbox(), [Cloud(cloud.names, cloud.clock, environment={}) for _ in range(5)]
    for _ in range(3):
        for number, sandbox in enumerate(sandboxes):
            work = failing if number == 0 else job.body
            run_batch(Inbox(work), Batch("inbox", RECORDS), sandbox, log, 60)
    assert (status(cloud)["messages_done"], status(cloud)["messages_failed"]) == (4 * 3 * 3, 3 * 3)


def test_a_repeated_call_adds_the_counts_once(cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    update = cloud.dynamodb.update_item

    def twice(**call: Any) -> Any:
        # The reply is lost, and the SDK sends the call again.
        update(**call)
        return update(**call)

    monkeypatch.setattr(cloud.dynamodb, "update_item", twice)
    for _ in range(4):
        run_batch(Inbox(), Batch("inbox", RECORDS), cloud, log, 60)
    assert status(cloud)["messages_done"] == 12


def test_bad_batches_of_one_minute_are_one_of_a_streak_that_a_good_minute_ends(
    go: Go, cloud: Cloud, clock: VirtualClock
) -> None:
    streaks = []
    for _ in range(3):
        for work in (failing, lambda _: Done({"handled": 3}), failing, lambda _: Done({"handled": 3})):
            go(Inbox(work))
            clock.move(seconds=16)
        streaks.append(status(cloud)["streak"])
    assert streaks == [1, 2, 3]
    clock.move(seconds=61)
    go()
    assert (status(cloud)["streak"], status(cloud)["ok"]) == (0, True)


def test_the_status_is_written_at_once_when_the_result_changes(go: Go, cloud: Cloud) -> None:
    go()
    go(Inbox(failing))
    assert (status(cloud)["status"]["outcome"], status(cloud)["streak"], status(cloud)["messages_failed"]) == (
        "failed",
        1,
        3,
    )


@pytest.mark.parametrize(("seconds", "outcome", "streak"), [(299, "failed", 1), (301, "done", 0)])
def test_a_batch_that_fails_after_its_time_leaves_the_status_of_a_later_one(
    seconds: int, outcome: str, streak: int, cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    def frozen(_: RunContext) -> Outcome:
        clock.move(seconds=seconds)
        other = Cloud(cloud.names, clock, cloud.environment)
        assert run_batch(Inbox(), Batch("inbox", RECORDS), other, log, 60) == []
        raise RuntimeError("no inbox")

    assert run_batch(Inbox(frozen), Batch("inbox", RECORDS), cloud, log, 60) == ["m0", "m1", "m2"]
    now = status(cloud)
    assert (now["status"]["outcome"], now["streak"], now["messages_failed"]) == (outcome, streak, 3)


def test_a_status_with_a_time_far_ahead_is_replaced(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    clock.move(hours=2)
    run_batch(Inbox(), Batch("inbox", RECORDS), Cloud(cloud.names, clock, cloud.environment), Lines(clock), 60)
    clock.instant = NOON
    go(Inbox(failing))
    assert status(cloud)["status"]["outcome"] == "failed"


@pytest.mark.parametrize("tenant", ["org 7 (test)", "büro", "x" * 300, "line\nfeed"])
def test_a_pause_defers_each_message_whatever_its_tenant_is_called(
    go: Go, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tenant: str
) -> None:
    sent = _paused_inbox(cloud, monkeypatch)
    bodies = ('{"organizationId": "org_1"}', json.dumps({"organizationId": tenant}), "{}")
    records = tuple(
        {**record, "body": body, "eventSourceARN": ARN} for record, body in zip(RECORDS, bodies, strict=True)
    )
    assert run_batch(Inbox(), Batch("inbox", records), cloud, Lines(cloud.clock), 60) == []
    assert [each["MessageBody"] for each in sent] == [*bodies]
    assert all(GROUP.fullmatch(each["MessageGroupId"]) for each in sent)


def test_a_message_that_cannot_be_deferred_comes_back_alone(
    cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = _paused_inbox(cloud, monkeypatch)
    records = tuple({**record, "eventSourceARN": ARN} for record in RECORDS)
    forbidden = {**records[1], "body": "\x00"}
    assert run_batch(Inbox(), Batch("inbox", (records[0], forbidden, records[2])), cloud, log, 60) == ["m1"]
    assert len(sent) == 2
    [line] = log.said("inbox_message_not_deferred")
    assert (line["messageId"], line["level"]) == ("m1", "ERROR")


def _paused_inbox(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Pause the job and collect what is sent; SQS refuses invalid groups and characters, which moto does not."""
    sent: list[dict[str, Any]] = []

    def send_message(**call: Any) -> None:
        if not GROUP.fullmatch(call["MessageGroupId"]) or "\x00" in call["MessageBody"]:
            raise ValueError("InvalidParameterValue")
        sent.append(call)

    monkeypatch.setattr(cloud.sqs_new_trace, "send_message", send_message)
    pause.pause(cloud, Inbox(), pauses.WHOLE, "ada", "rebuild")
    return sent
