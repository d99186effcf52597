"""Plan of all queues: owner, consumer, dead-letter queue.

A queue belongs to the job that consumes it. A dead-letter queue without a consumer belongs to the job that names it.
The queues `work` and `celery`, which workers outside of Lambda consume, belong to the collector of dead letters.
queue-health moves messages from the dead-letter queues of consumers to `firings-dlq`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.aws.names import CELERY, CELERY_VISIBILITY, DEAD, WORK
from shared.job.definition import Job

MAX_RECEIVES = 5
# Lambda uses the first three with the function's role; the function uses the last to defer a message.
RECEIVE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility")
# AWS recommends six times the function's timeout: a batch may wait for a free function without becoming visible again.
VISIBILITY_FACTOR = 6
# Consumed by workers outside of Lambda.
FOREIGN = (WORK, CELERY)
# A message keeps its first send time in a dead-letter queue, so retention grows along the chain.
RETENTION_DAYS = (4, 8, 14)


class QueueError(Exception):
    """Queue declarations contradict each other; the message has the fix."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of the plan."""

    #: Logical name.
    name: str
    group: str
    #: The job whose function is mapped to it.
    consumer: Job | None
    #: Logical name of its dead-letter queue.
    dead_letter_queue: str | None
    #: Whether queue-health moves its messages to `firings-dlq`.
    collected: bool = False

    @property
    def visibility(self) -> int:
        """Visibility timeout in seconds.

        300 for operators, and for `jobs.py worker`, which extends it.
        """
        if self.name == CELERY:
            return CELERY_VISIBILITY
        return VISIBILITY_FACTOR * self.consumer.timeout + self.consumer.batch_window if self.consumer else 300


def plan(jobs: Mapping[str, Job]) -> dict[str, Queue]:
    """Plan every queue, by logical name. Raises QueueError."""
    consumers = _consumers(jobs)
    queues = {
        name: Queue(name, consumer.group, consumer, consumer.dead_queue()) for name, consumer in consumers.items()
    }
    for job in consumers.values():
        dead = job.dead_queue()
        if dead is None or dead in consumers:
            continue
        if dead in queues:
            raise QueueError(
                f"{job.name} uses the dead-letter queue {dead!r} of another job; a dead letter is identified by its "
                "queue, so each consumer has its own, or one job declares it as its queue"
            )
        # Not mapped to a function: to poll a queue that is nearly always empty costs 0.26 dollars a month.
        queues[dead] = Queue(dead, job.group, None, None, collected=dead == f"{job.queue}-dlq" and not job.collector)
    if DEAD in queues:
        queues |= {name: Queue(name, queues[DEAD].group, None, DEAD) for name in FOREIGN}
    return queues


def retention(name: str, queues: Mapping[str, Queue]) -> int:
    """Retention of the queue in seconds: longer for each queue before it."""
    return RETENTION_DAYS[min(_depth(name, queues), len(RETENTION_DAYS) - 1)] * 86_400


def _depth(name: str, queues: Mapping[str, Queue], seen: frozenset[str] = frozenset()) -> int:
    if name in seen:
        raise QueueError(f"the dead-letter queues {' and '.join(sorted(seen))} form a cycle")
    sources = [queue.name for queue in queues.values() if queue.dead_letter_queue == name]
    return max((1 + _depth(source, queues, seen | {name}) for source in sources), default=0)


def _consumers(jobs: Mapping[str, Job]) -> dict[str, Job]:
    consumers: dict[str, Job] = {}
    for job in jobs.values():
        if job.queue is None:
            continue
        if job.queue in consumers:
            first = consumers[job.queue].name
            raise QueueError(f"{first} and {job.name} both consume {job.queue!r}; each message would reach one of them")
        consumers[job.queue] = job
    return consumers
