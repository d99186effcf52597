"""Depth, lag and failures of the consumers' queues.

One row per queue: `queues` / `<queue>`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws.names import CELERY, DEAD, FIRINGS, WORK
from shared.job.manifest import Entry
from shared.store import keys, table
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Value of `QueueHealth.job` for the queues of workers outside of Lambda.
WORKERS = "workers"
QUEUE_ATTRIBUTES = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(frozen=True, slots=True)
class Depth:
    """Number of messages in a queue."""

    #: Messages that can be received.
    waiting: int
    #: Messages in flight.
    working: int
    #: Messages that are delayed.
    delayed: int


@dataclass(frozen=True, slots=True)
class QueueMeasurement:
    """One measurement of a queue. The attributes are those of its row."""

    #: Logical name of the queue.
    queue: str
    #: Name of its consumer.
    job: str
    #: Messages that can be received.
    waiting: int
    #: Messages in flight.
    working: int
    #: Messages that are delayed.
    delayed: int
    #: Messages in its dead-letter queue, which are to be moved to the queue that collects dead letters.
    dead: int
    #: Milliseconds that the oldest of the last messages had waited when it was received.
    lag: int
    #: Messages handled so far.
    done: int
    #: Messages failed so far.
    failed: int
    #: Percentage of failures since the last measurement.
    errors: float
    #: Timestamp since which messages waited and none was handled; empty where some are handled.
    since: str
    #: Timestamp of the measurement.
    at: str

    def age(self, now: int) -> int:
        """Return the milliseconds that the oldest message has waited at least.

        `now`: epoch milliseconds.
        """
        return max(self.lag, now - clock.milliseconds(clock.parse(self.since)) if self.since else 0)


def queues(entries: Mapping[str, Entry]) -> dict[str, str]:
    """Return the queues that consumers declare, with the consumer of each."""
    return {entry["queue"]: name for name, entry in entries.items() if entry["queue"]}


def worker_queues(cloud: Cloud, before: Mapping[str, QueueMeasurement]) -> Iterator[QueueMeasurement]:
    """Measure the queues of workers outside of Lambda.

    How many messages they have handled is unknown.
    """
    for queue in (WORK, CELERY):
        found, last, now = depth(cloud, queue), before.get(queue), clock.iso(cloud.clock.now())
        if found:
            # A message in flight proves that a worker receives.
            stuck = found.waiting > 0 and not found.working
            since = ((last.since if last else "") or now) if stuck else ""
            yield QueueMeasurement(
                queue, WORKERS, found.waiting, found.working, found.delayed, 0, 0, 0, 0, 0, since, now
            )


def dead_letter_queue(queue: str) -> str | None:
    """Return the dead-letter queue of a queue.

    None where it is collected directly, or is the last one.
    """
    return None if queue in (FIRINGS, DEAD) else f"{queue}-dlq"


def depth(cloud: Cloud, queue: str) -> Depth | None:
    """Return the depth of a queue; None where it does not exist."""
    try:
        answer = cloud.sqs.get_queue_attributes(
            QueueUrl=cloud.names.queue_url(queue),
            AttributeNames=list(QUEUE_ATTRIBUTES),  # type: ignore[arg-type]
        )
    except cloud.sqs.exceptions.QueueDoesNotExist:
        return None
    counts: Mapping[Any, str] = answer["Attributes"]
    return Depth(*(int(counts[name]) for name in QUEUE_ATTRIBUTES))


def measure(cloud: Cloud, job: str, key: str, queue: str, before: QueueMeasurement | None) -> QueueMeasurement | None:
    """Measure the queue of a consumer; None where it does not exist.

    key: the consumer's status key. before: the last measurement.
    """
    now, found = clock.iso(cloud.clock.now()), depth(cloud, queue)
    if found is None:
        return None
    dead = dead_letter_queue(queue)
    dead_letters = depth(cloud, dead) if dead else None
    status = table.get(cloud, STATE, keys.claim(key))
    done, failed = int(status.get("messages_done", 0)), int(status.get("messages_failed", 0))
    moved = done - before.done if before else done
    wrong = max(failed - before.failed if before else failed, 0)
    stuck = found.waiting > 0 and moved <= 0
    return QueueMeasurement(
        queue=queue,
        job=job,
        waiting=found.waiting,
        working=found.working,
        delayed=found.delayed,
        dead=dead_letters.waiting if dead_letters else 0,
        lag=int(status.get("lag", 0)) if moved > 0 else 0,
        done=done,
        failed=failed,
        errors=round(100 * wrong / (wrong + max(moved, 0)), 1) if wrong else 0,
        since=((before.since if before else "") or now) if stuck else "",
        at=now,
    )


def read(cloud: Cloud) -> dict[str, QueueMeasurement]:
    """Return the last measurements by queue."""
    rows = table.query(cloud, STATE, "pk = :pk", {":pk": keys.queue_healths()})
    return {row["sk"]: QueueMeasurement(**{name: row[name] for name in QueueMeasurement.__slots__}) for row in rows}


def write(cloud: Cloud, health: QueueMeasurement, before: QueueMeasurement | None = None) -> None:
    """Write a measurement over the last one.

    Nothing is written if that one is not `before` any longer: this process was frozen, and another one has measured
    since. Its counts would be subtracted from newer ones, and a period ended since would go on.
    """
    row = {**keys.queue_health(health.queue).attributes, **asdict(health)}
    with suppress(table.ConditionFailed):
        if before is None:
            table.put_if(cloud, STATE, row, "attribute_not_exists(pk)")
        else:
            table.put_if(cloud, STATE, row, "#at = :before", {":before": before.at}, names={"#at": "at"})
