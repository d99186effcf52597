"""Queues are measured, and messages of their dead-letter queues are moved to the collector's queue."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from functions.operations import _dlq_mover
from functions.operations.queue_health import QueueHealth
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.messages import queue_depth
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import Lines, VirtualClock, letters, waiting
from tests.functions.operations.conftest import ENTRIES

QUEUE = "demo:intake"
INTAKE = {**ENTRIES["sweep"], "key": "intake", "queue": QUEUE, "schedules": []}


@pytest.fixture(autouse=True)
def intake(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "load", lambda: {"intake": INTAKE})
    for name in (QUEUE, f"{QUEUE}-dlq"):
        # As in the template: by default a call would wait for longer than its own timeout.
        cloud.sqs.create_queue(QueueName=cloud.names.queue(name), Attributes={"ReceiveMessageWaitTimeSeconds": "20"})
    monkeypatch.setattr(_dlq_mover, "WAIT", 0)


@pytest.fixture
def told(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the alerts by subject."""
    subjects: list[str] = []
    monkeypatch.setattr(cloud.sns, "publish", lambda **asked: subjects.append(asked["Subject"]))
    return subjects


def send(cloud: Cloud, queue: str, *texts: str, **more: Any) -> None:
    for text in texts:
        cloud.sqs.send_message(QueueUrl=cloud.names.queue_url(queue), MessageBody=text, **more)


def look(cloud: Cloud, clock: VirtualClock, log: Lines) -> RunReport:
    clock.move(minutes=5)
    return run(QueueHealth(), Firing("queue-health", clock.now()), cloud, log)


def test_a_message_in_a_dead_letter_queue_becomes_a_dead_letter_of_its_job(
    cloud: Cloud, clock: VirtualClock, log: Lines
) -> None:
    again = {"dead-letter": {"DataType": "String", "StringValue": "2026-03-01T12:00:00.000Z#0123456789abcdef"}}
    send(cloud, f"{QUEUE}-dlq", "one")
    send(cloud, f"{QUEUE}-dlq", "two", MessageAttributes=again)
    assert look(cloud, clock, log).counts == {"queues": 2, "carried": 2}
    dead = sorted((each["dead"] for each in letters(cloud, "firings-dlq")), key=lambda each: str(each["event"]))
    assert [each["event"] for each in dead] == ["one", "two"]
    assert {(each["job"], each["reason"]) for each in dead} == {("intake", "received too often")}
    assert [each.get("letter", "") for each in dead] == ["", "2026-03-01T12:00:00.000Z#0123456789abcdef"]
    assert look(cloud, clock, log).counts == {"queues": 2, "carried": 0}


def test_a_moved_message_keeps_its_id_its_attempt_and_whose_it_is(
    cloud: Cloud, clock: VirtualClock, log: Lines
) -> None:
    body = json.dumps({"organizationId": "org_7", "parcelId": "p1", "correlationId": "c1"})
    said = {"attempt": "3", "first-failed-at": "2026-03-01T11:00:00.000Z"}
    texts = {name: {"DataType": "String", "StringValue": text} for name, text in said.items()}
    url = cloud.names.queue_url(f"{QUEUE}-dlq")
    sent = cloud.sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=texts)  # type: ignore[arg-type]
    look(cloud, clock, log)
    [letter] = letters(cloud, "firings-dlq")
    assert (
        letter["dead"].items()
        >= {
            "message_id": sent["MessageId"],
            "tenant": "org_7",
            "entity": "p1",
            "correlation_id": "c1",
            "attempts": 3,
            "first_failed_at": "2026-03-01T11:00:00.000Z",
        }.items()
    )
    assert not {"run", "version"} & letter["dead"].keys()


def test_a_message_that_was_moved_and_not_deleted_makes_the_same_dead_letter_again(
    cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(cloud, f"{QUEUE}-dlq", "one")
    url = cloud.names.queue_url(f"{QUEUE}-dlq")
    cloud.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "0"})
    with monkeypatch.context() as crash:
        crash.setattr(cloud.sqs, "delete_message", lambda **_: (_ for _ in ()).throw(OSError("gone")))
        assert look(cloud, clock, log).outcome == "failed"
    look(cloud, clock, log)
    first, second = letters(cloud, "firings-dlq")
    assert first == second


def test_a_queue_without_handled_messages_ages(cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    look(cloud, clock, log)
    assert "Nightshift" not in json.dumps(log.lines)
    send(cloud, QUEUE, "a", "b")
    for _ in range(3):
        look(cloud, clock, log)
    health = queue_depth.read(cloud)[QUEUE]
    assert (health.waiting, health.age(int(clock.now().timestamp() * 1000))) == (2, 10 * 60_000)
    assert log.said("queue_health")[-1]["depth"] == 2
    [*_, metric] = [line for line in log.lines if "QueueDepth" in line]
    assert (metric["QueueDepth"], metric["QueueAge"], metric["job"]) == ([2], [600_000], "intake")


def test_a_stuck_queue_is_alerted_once(cloud: Cloud, clock: VirtualClock, log: Lines, told: list[str]) -> None:
    send(cloud, QUEUE, "a")
    for _ in range(6):
        look(cloud, clock, log)
    assert told == ["QUEUE_STUCK demo:intake"]


@pytest.mark.parametrize(
    ("queue", "commands"),
    [(QUEUE, ["queues", "why intake"]), ("work", ["queues", "worker"]), ("celery", ["queues"])],
)
def test_the_alert_on_a_stuck_queue_has_the_commands_of_its_readers(
    queue: str, commands: list[str], cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    if queue == "celery":
        cloud.sqs.create_queue(QueueName=cloud.names.queue(queue))
    published = list[Any]()
    monkeypatch.setattr(cloud.sns, "publish", lambda **call: published.append(json.loads(call["Message"])))
    send(cloud, queue, "a")
    for _ in range(5):
        look(cloud, clock, log)
    [alert] = published
    assert alert["commands"] == [f"python jobs.py {words} --aws --stage test" for words in commands]


def test_a_queue_with_a_backlog_and_handled_messages_is_not_stuck(
    cloud: Cloud, clock: VirtualClock, log: Lines, told: list[str]
) -> None:
    send(cloud, QUEUE, "a")
    for done in range(6):
        item = {"pk": "intake:last", "sk": "-", "messages_done": 10 * done + 1}
        cloud.dynamodb.put_item(TableName=cloud.names.table("state"), Item=attributes.row(item))
        look(cloud, clock, log)
    assert told == []
    assert queue_depth.read(cloud)[QUEUE].since == ""


QUEUES = ("demo:a", "demo:b", "demo:c")


@pytest.fixture
def slow(cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fill three dead-letter queues, and let each move take most of a run. Returns the queues served."""
    entries = {queue[-1]: {**INTAKE, "key": queue[-1], "queue": queue} for queue in QUEUES}
    monkeypatch.setattr(manifest, "load", lambda: entries)
    for queue in QUEUES:
        for name in (queue, f"{queue}-dlq"):
            cloud.sqs.create_queue(QueueName=cloud.names.queue(name))
        send(cloud, f"{queue}-dlq", "one")
    served: list[str] = []

    def move(_cloud: Cloud, _job: str, queue: str, _limit: int, _in_time: Callable[[], bool]) -> int:
        served.append(queue.removesuffix("-dlq"))
        clock.move(seconds=50)
        return 1

    monkeypatch.setattr(_dlq_mover, "move", move)
    return served


def test_full_dead_letter_queues_do_not_starve_the_last_queues(
    cloud: Cloud, clock: VirtualClock, log: Lines, slow: list[str]
) -> None:
    firing = Firing("queue-health", clock.now())
    for _ in QUEUES:
        run(QueueHealth(), firing, cloud, log)
        firing = firing.continuation()
    assert slow == list(QUEUES)
    assert {*queue_depth.read(cloud)} == {*QUEUES}
    assert [body["firing"]["part"] for body in waiting(cloud)] == [1, 2]


def test_a_tick_whose_continuation_was_not_sent_serves_all_from_where_the_last_one_stopped(
    cloud: Cloud, clock: VirtualClock, log: Lines, slow: list[str]
) -> None:
    for _ in QUEUES:
        look(cloud, clock, log)
    assert slow == list(QUEUES)
    look(cloud, clock, log)
    assert slow[-1] == QUEUES[0]


def test_a_removed_queue_in_the_checkpoint_lets_the_run_begin_at_the_first(
    cloud: Cloud, clock: VirtualClock, log: Lines, slow: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    look(cloud, clock, log)
    left = {"c": {**INTAKE, "key": "c", "queue": "demo:c"}}
    monkeypatch.setattr(manifest, "load", lambda: left)
    look(cloud, clock, log)
    assert slow == ["demo:a", "demo:c"]


def test_no_further_messages_are_moved_when_the_time_is_over(cloud: Cloud) -> None:
    send(cloud, f"{QUEUE}-dlq", *map(str, range(12)))
    answers = iter((True, False))
    assert _dlq_mover.move(cloud, "intake", f"{QUEUE}-dlq", 200, lambda: next(answers)) == 10
