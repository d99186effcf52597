"""Plan of queues: owners, retention, and declarations that contradict each other."""

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


def test_a_queue_belongs_to_the_job_that_consumes_it() -> None:
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


def test_only_the_collectors_queue_is_polled_and_dead_letters_of_consumers_are_collected_into_it() -> None:
    made = plan(DISPATCH, COLLECTOR, AUDIT)
    takers = {name: queue.consumer.name if queue.consumer else None for name, queue in made.items()}
    assert takers["firings-dlq"] == "dead-letters"
    assert takers["flagship:audit-dlq"] is takers["last-resort"] is None
    assert made["flagship:audit"].dead_letter_queue == "flagship:audit-dlq"
    assert made["flagship:audit-dlq"].dead_letter_queue is made["last-resort"].dead_letter_queue is None


def test_no_function_consumes_the_queue_of_workers_and_its_failures_are_dead_letters() -> None:
    made = plan(DISPATCH, COLLECTOR, AUDIT)
    for name in ("work", "celery"):
        assert (made[name].consumer, made[name].dead_letter_queue) == (None, "firings-dlq")


def test_a_queue_hides_a_batch_for_as_long_as_its_consumer_needs() -> None:
    made = plan(DISPATCH, COLLECTOR, AUDIT)
    assert made["flagship:audit"].visibility == 360
    assert made["firings-dlq"].visibility == 180


def test_celerys_queue_hides_a_task_for_as_long_as_its_workers_are_promised() -> None:
    made = plan(DISPATCH, COLLECTOR, AUDIT)
    # As in docs/howto/workers.md; tests/workers/test_adapters.py reads the same number from the worker's settings.
    assert (made["celery"].visibility, made["work"].visibility) == (3600, 300)


def test_retention_grows_along_a_chain_of_dead_letter_queues() -> None:
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


def test_a_cycle_of_dead_letter_queues_is_refused() -> None:
    made = plan(consumer("ping", "ping", dead_letter_queue="pong"), consumer("pong", "pong", dead_letter_queue="ping"))
    with pytest.raises(QueueError, match="ping and pong form a cycle"):
        queues.retention("ping", made)
