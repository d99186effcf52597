"""Who makes which queue: one rule, and what contradicts it."""

from __future__ import annotations

from typing import Any

import pytest

from infra import queues
from infra.queues import QueueError
from shared.archetypes.consumer import Consumer
from shared.job.definition import Job
from shared.job.idempotency import natural


def consumer(name: str, queue: str, **attributes: Any) -> Job:
    body = {"__doc__": "Take.", "__module__": __name__, "name": name, "queue": queue, "timeout": 60, **attributes}
    made: type[Job] = type(name.title().replace("-", ""), (Consumer,), {"idempotency": natural("nothing"), **body})
    return made()


def plan(*jobs: Job) -> dict[str, queues.Queue]:
    return queues.plan({job.name: job for job in jobs})


DISPATCH = consumer("dispatch", "firings", dead_letter_queue="firings-dlq", group="operations")
COLLECTOR = consumer(
    "dead-letters", "firings-dlq", dead_letter_queue="last-resort", collector=True, group="operations", timeout=30
)
AUDIT = consumer("audit", "flagship:audit", group="flags")


def test_a_queue_is_made_by_the_job_that_consumes_it() -> None:
    made = plan(DISPATCH, COLLECTOR, AUDIT)
    assert {name: queue.group for name, queue in made.items()} == {
        "firings": "operations",
        "firings-dlq": "operations",
        "last-resort": "operations",
        "work": "operations",
        "celery": "operations",
        "flagship:audit": "flags",
        "flagship:audit-dlq": "flags",
    }


def test_only_the_dead_letters_of_all_are_polled_for_and_those_of_a_consumer_are_carried_there() -> None:
    made = plan(DISPATCH, COLLECTOR, AUDIT)
    takers = {name: queue.consumer.name if queue.consumer else None for name, queue in made.items()}
    assert takers["firings-dlq"] == "dead-letters"
    assert takers["flagship:audit-dlq"] is takers["last-resort"] is None
    assert made["flagship:audit"].gives_up_to == "flagship:audit-dlq"
    assert made["flagship:audit-dlq"].gives_up_to is made["last-resort"].gives_up_to is None


def test_no_function_takes_what_waits_for_workers_and_what_they_cannot_run_is_a_dead_letter() -> None:
    made = plan(DISPATCH, COLLECTOR, AUDIT)
    for name in ("work", "celery"):
        assert (made[name].consumer, made[name].gives_up_to) == (None, "firings-dlq")


def test_a_queue_hides_a_batch_for_as_long_as_its_consumer_needs() -> None:
    made = plan(DISPATCH, COLLECTOR, AUDIT)
    assert made["flagship:audit"].visibility == 360
    assert made["firings-dlq"].visibility == 180


def test_each_queue_down_the_line_keeps_for_longer() -> None:
    made = plan(DISPATCH, COLLECTOR, AUDIT)
    days = {name: queues.retention(name, made) // 86_400 for name in made}
    assert days["firings"] == days["flagship:audit"] == 4
    assert days["firings-dlq"] == days["flagship:audit-dlq"] == 8
    assert days["last-resort"] == 14


def test_two_consumers_of_one_queue_are_refused() -> None:
    with pytest.raises(QueueError, match="audit and spy both consume 'flagship:audit'"):
        plan(AUDIT, consumer("spy", "flagship:audit"))


def test_a_dead_letter_queue_that_two_consumers_share_is_refused() -> None:
    with pytest.raises(QueueError, match="each consumer has its own"):
        plan(AUDIT, consumer("usage", "flagship:usage", dead_letter_queue="flagship:audit-dlq"))


def test_queues_that_give_up_to_each_other_are_refused() -> None:
    made = plan(consumer("ping", "ping", dead_letter_queue="pong"), consumer("pong", "pong", dead_letter_queue="ping"))
    with pytest.raises(QueueError, match="ping and pong give up to each other"):
        queues.retention("ping", made)
