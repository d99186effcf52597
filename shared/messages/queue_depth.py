"""How consumers' queues are: what waits, how long, how much of it fails. A row for each: `queues` / `<queue>`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws import attributes
from shared.aws.names import CELERY, DEAD, FIRINGS, STATE, WORK
from shared.job.manifest import Entry

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

PARTITION = "queues"
WORKERS = "workers"
ASKED = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(frozen=True, slots=True)
class Depth:
    """Messages that can be taken, that are being worked on, and whose time has not come."""

    waiting: int
    working: int
    delayed: int


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """dead: letters that wait to be carried to where they are collected. since: from when on there were messages
    waiting and none was handled, empty where some are. lag: milliseconds that the eldest of the last messages had
    waited when it was taken. done, failed: messages so far. errors: percent of those since the last look.
    """

    queue: str
    job: str
    waiting: int
    working: int
    delayed: int
    dead: int
    lag: int
    done: int
    failed: int
    errors: float
    since: str
    at: str

    def age(self, now: int) -> int:
        """Milliseconds that the eldest message has waited at least."""
        return max(self.lag, now - clock.milliseconds(clock.parse(self.since)) if self.since else 0)


def queues(entries: Mapping[str, Entry]) -> dict[str, str]:
    """Queues that consumers declare, and whose they are."""
    return {entry["queue"]: name for name, entry in entries.items() if entry["queue"]}


def worker_queues(cloud: Cloud, before: Mapping[str, QueueHealth]) -> Iterator[QueueHealth]:
    """Queues that workers outside of Lambda take from; how many they have handled is not known."""
    for queue in (WORK, CELERY):
        found, seen, now = depth(cloud, queue), before.get(queue), clock.iso(cloud.clock.now())
        if found:
            # As long as somebody takes from it, some message is being worked on.
            stuck = found.waiting > 0 and not found.working
            since = ((seen.since if seen else "") or now) if stuck else ""
            yield QueueHealth(queue, WORKERS, found.waiting, found.working, found.delayed, 0, 0, 0, 0, 0, since, now)


def dead_letter_queue(queue: str) -> str | None:
    """The queue that its dead letters wait in; None where that is collected by itself, or is the last resort."""
    return None if queue in (FIRINGS, DEAD) else f"{queue}-dlq"


def depth(cloud: Cloud, queue: str) -> Depth | None:
    """None where there is no such queue."""
    try:
        answer = cloud.sqs.get_queue_attributes(
            QueueUrl=cloud.names.queue_url(queue),
            AttributeNames=list(ASKED),  # type: ignore[arg-type]
        )
    except cloud.sqs.exceptions.QueueDoesNotExist:
        return None
    found: Mapping[Any, str] = answer["Attributes"]
    return Depth(*(int(found[name]) for name in ASKED))


def measure(cloud: Cloud, job: str, key: str, queue: str, before: QueueHealth | None) -> QueueHealth | None:
    """As it is now. before: as it was when last looked at. None where the queue is not there."""
    now, found = clock.iso(cloud.clock.now()), depth(cloud, queue)
    if found is None:
        return None
    dead = dead_letter_queue(queue)
    letters = depth(cloud, dead) if dead else None
    shown = _shown(cloud, key)
    done, failed = int(shown.get("messages_done", 0)), int(shown.get("messages_failed", 0))
    moved = done - before.done if before else done
    wrong = max(failed - before.failed if before else failed, 0)
    stuck = found.waiting > 0 and moved <= 0
    return QueueHealth(
        queue=queue,
        job=job,
        waiting=found.waiting,
        working=found.working,
        delayed=found.delayed,
        dead=letters.waiting if letters else 0,
        lag=int(shown.get("lag", 0)) if moved > 0 else 0,
        done=done,
        failed=failed,
        errors=round(100 * wrong / (wrong + max(moved, 0)), 1) if wrong else 0,
        since=((before.since if before else "") or now) if stuck else "",
        at=now,
    )


def read(cloud: Cloud) -> dict[str, QueueHealth]:
    """As they were when last looked at, by queue."""
    pages = cloud.dynamodb.get_paginator("query").paginate(
        TableName=cloud.names.table(STATE),
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=attributes.row({":pk": PARTITION}),
    )
    found = [attributes.plain(item) for page in pages for item in page["Items"]]
    return {row["sk"]: QueueHealth(**{name: row[name] for name in QueueHealth.__slots__}) for row in found}


def write(cloud: Cloud, health: QueueHealth) -> None:
    cloud.dynamodb.put_item(
        TableName=cloud.names.table(STATE), Item=attributes.row({"pk": PARTITION, "sk": health.queue, **asdict(health)})
    )


def _shown(cloud: Cloud, key: str) -> dict[str, Any]:
    answer = cloud.dynamodb.get_item(
        TableName=cloud.names.table(STATE), Key=attributes.row({"pk": f"{key}:last", "sk": "-"}), ConsistentRead=True
    )
    return attributes.plain(answer.get("Item"))
