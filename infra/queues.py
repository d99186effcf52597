"""Which queues there are, who makes each, and where it sends what it gives up.

One rule: a queue is made by the job that consumes it; one that nobody consumes is made by the job that gives up to it.
The exceptions are `work` and `celery`, which workers outside of Lambda take from: made where their dead letters go.
What consumers' dead-letter queues hold is carried to `firings-dlq` by queue-health.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.aws.names import CELERY, DEAD, WORK
from shared.job.definition import Job

MAX_RECEIVES = 5
# The first three are Lambda's own reading in the role's name; the last is how a message is put off.
RECEIVE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility")
# AWS asks for six times the function's timeout: a batch that waits for a free function must not come back meanwhile.
VISIBILITY_FACTOR = 6
# Taken from by workers outside of Lambda.
FOREIGN = (WORK, CELERY)
# A message keeps its first send time in a dead-letter queue, so each queue down the line keeps for longer.
RETENTION_DAYS = (4, 8, 14)


class QueueError(Exception):
    """Queues that contradict each other; the message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Queue:
    """`name` is logical. consumer: the job whose function is mapped to it. gives_up_to: a queue's name. carried: what
    comes to it is taken to `firings-dlq` by queue-health."""

    name: str
    group: str
    consumer: Job | None
    gives_up_to: str | None
    carried: bool = False

    @property
    def visibility(self) -> int:
        """Seconds. Without a consumer it is for whoever looks at its messages by hand."""
        return VISIBILITY_FACTOR * self.consumer.timeout + self.consumer.batch_window if self.consumer else 300


def plan(jobs: Mapping[str, Job]) -> dict[str, Queue]:
    """Every queue by its logical name. Raises QueueError."""
    consumers = _consumers(jobs)
    found = {name: Queue(name, consumer.group, consumer, consumer.dead_queue()) for name, consumer in consumers.items()}
    for job in consumers.values():
        dead = job.dead_queue()
        if dead is None or dead in consumers:
            continue
        if dead in found:
            raise QueueError(
                f"{job.name} gives up to {dead!r} as another job does; a dead letter is identified by its queue, so "
                "each consumer has its own, or one job declares it as its queue"
            )
        # No function takes from it: polling one that is nearly always empty is a quarter of a dollar a month.
        found[dead] = Queue(dead, job.group, None, None, carried=dead == f"{job.queue}-dlq" and not job.collector)
    if DEAD in found:
        found |= {name: Queue(name, found[DEAD].group, None, DEAD) for name in FOREIGN}
    return found


def retention(name: str, queues: Mapping[str, Queue]) -> int:
    """Seconds that the queue keeps a message: the longer, the more queues it may have passed."""
    return RETENTION_DAYS[min(_depth(name, queues), len(RETENTION_DAYS) - 1)] * 86_400


def _depth(name: str, queues: Mapping[str, Queue], seen: frozenset[str] = frozenset()) -> int:
    if name in seen:
        raise QueueError(f"the dead-letter queues {' and '.join(sorted(seen))} give up to each other")
    sources = [queue.name for queue in queues.values() if queue.gives_up_to == name]
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
