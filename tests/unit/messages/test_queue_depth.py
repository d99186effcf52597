"""Measurements of queues: depth, lag, share of failures, and since when nothing was handled."""

from __future__ import annotations

from typing import Any

import pytest

from shared import clock as clocks
from shared.aws.cloud import Cloud
from shared.messages import queue_depth
from shared.messages.queue_depth import Depth, QueueMeasurement
from shared.store import keys, table
from shared.tables import STATE
from tests.conftest import NOON, VirtualClock


@pytest.fixture(autouse=True)
def _queues(cloud: Cloud) -> None:
    for name in ("inbox", "inbox-dlq"):
        cloud.sqs.create_queue(QueueName=cloud.names.queue(name))


def send(cloud: Cloud, queue: str = "inbox") -> None:
    cloud.sqs.send_message(QueueUrl=cloud.names.queue_url(queue), MessageBody="{}")


def handled(cloud: Cloud, done: int, failed: int = 0, lag: int = 0) -> None:
    row = {"messages_done": done, "messages_failed": failed, "lag": lag}
    table.put(cloud, STATE, {**keys.claim("inbox").attributes, **row})


def measure(cloud: Cloud, before: QueueMeasurement | None = None) -> QueueMeasurement:
    measured = queue_depth.measure(cloud, "inbox", "inbox", "inbox", before)
    assert measured is not None
    return measured


def test_waiting_and_received_messages_are_counted(cloud: Cloud) -> None:
    send(cloud)
    send(cloud)
    cloud.sqs.receive_message(QueueUrl=cloud.names.queue_url("inbox"), MaxNumberOfMessages=1)
    assert queue_depth.depth(cloud, "inbox") == Depth(waiting=1, working=1, delayed=0)


def test_a_queue_that_does_not_exist_has_no_measurement(cloud: Cloud) -> None:
    assert queue_depth.depth(cloud, "nothing") is None
    assert queue_depth.measure(cloud, "inbox", "inbox", "nothing", None) is None


def test_messages_of_the_dead_letter_queue_are_counted(cloud: Cloud) -> None:
    send(cloud, "inbox-dlq")
    assert measure(cloud).dead == 1


def test_a_backlog_without_handled_messages_ages_from_its_first_measurement(cloud: Cloud, clock: VirtualClock) -> None:
    send(cloud)
    first = measure(cloud)
    clock.move(minutes=5)
    second = measure(cloud, first)
    assert (first.since, second.since) == (clocks.iso(NOON), clocks.iso(NOON))
    assert second.age(clocks.milliseconds(clock.now())) == 300_000


def test_a_backlog_of_which_messages_are_handled_is_as_old_as_its_lag(cloud: Cloud) -> None:
    send(cloud)
    before = measure(cloud)
    handled(cloud, done=4, lag=700)
    after = measure(cloud, before)
    assert (after.since, after.lag, after.age(clocks.milliseconds(NOON))) == ("", 700, 700)


def test_failures_are_counted_since_the_last_measurement(cloud: Cloud) -> None:
    handled(cloud, done=10, failed=10)
    before = measure(cloud)
    handled(cloud, done=12, failed=11)
    assert (before.errors, measure(cloud, before).errors) == (50.0, 33.3)


def test_a_measurement_reads_back_as_it_was_written(cloud: Cloud) -> None:
    send(cloud)
    measured = measure(cloud)
    queue_depth.write(cloud, measured)
    assert queue_depth.read(cloud) == {"inbox": measured}


def test_a_measurement_that_is_written_late_leaves_a_later_one(cloud: Cloud, clock: VirtualClock) -> None:
    first = measure(cloud)
    queue_depth.write(cloud, first)
    clock.move(minutes=5)
    late = measure(cloud, first)
    clock.move(minutes=5)
    newest = measure(cloud, first)
    queue_depth.write(cloud, newest, first)
    queue_depth.write(cloud, late, first)
    queue_depth.write(cloud, late)
    assert queue_depth.read(cloud) == {"inbox": newest}


def test_a_worker_that_holds_a_message_keeps_its_queue_from_aging(cloud: Cloud) -> None:
    send(cloud, "work")
    [stuck] = queue_depth.worker_queues(cloud, {})
    send(cloud, "work")
    cloud.sqs.receive_message(QueueUrl=cloud.names.queue_url("work"), MaxNumberOfMessages=1)
    [working] = queue_depth.worker_queues(cloud, {"work": stuck})
    assert (stuck.queue, stuck.since, working.since) == ("work", clocks.iso(NOON), "")


@pytest.mark.parametrize(("queue", "dead"), [("inbox", "inbox-dlq"), ("firings", None), ("firings-dlq", None)])
def test_the_queue_of_firings_and_the_last_one_have_no_dead_letter_queue_to_move(queue: str, dead: Any) -> None:
    assert queue_depth.dead_letter_queue(queue) == dead
