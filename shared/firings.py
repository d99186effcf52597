"""Sending what is not a fresh tick: retries, continuations, shards, dead letters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared import clock, redact
from shared.declaration import MOST_HOPS, hops
from shared.event import PARTS, Firing
from shared.job import DEAD, FIRINGS, Job

if TYPE_CHECKING:
    from shared.cloud import Cloud

LONGEST_DELAY = 900
BATCH = 10


def may_go_on(job: Job, firing: Firing) -> bool:
    """Whether a continuation with all its attempts still fits into the chain; else the next tick continues."""
    onward = firing.onward()
    return onward.part < PARTS and onward.hop - 1 + hops(job.retry.attempts) <= MOST_HOPS


def may_be_put_off(job: Job, firing: Firing) -> bool:
    left = job.retry.attempts - firing.attempt + 1
    return firing.hop + 1 + hops(left) <= MOST_HOPS


def send(cloud: Cloud, firing: Firing, delay: int = 0) -> None:
    """To `firings`, due in `delay` seconds, 900 at most."""
    cloud.sqs.send_message(
        QueueUrl=cloud.names.queue_url(FIRINGS),
        MessageBody=json.dumps({"firing": firing.data()}),
        DelaySeconds=min(delay, LONGEST_DELAY),
    )


def send_shards(cloud: Cloud, firing: Firing, shards: int) -> None:
    entries = [
        {"Id": str(number), "MessageBody": json.dumps({"firing": firing.shard(number).data()})}
        for number in range(shards)
    ]
    for start in range(0, shards, BATCH):
        answer = cloud.sqs.send_message_batch(
            QueueUrl=cloud.names.queue_url(FIRINGS),
            Entries=entries[start : start + BATCH],  # type: ignore[arg-type]
        )
        if answer.get("Failed"):
            raise RuntimeError(f"{firing.job}: {len(answer['Failed'])} shards were not sent: {answer['Failed'][0]}")


def send_dead(cloud: Cloud, firing: Firing, run: str, reason: str, error: str) -> None:
    """To the dead-letter queue, with all that is needed to understand it and to send it again."""
    _send_dead(
        cloud,
        firing.job,
        reason,
        error,
        run=run,
        attempts=firing.attempt,
        first_failed_at=firing.first_failed_at,
        firing=firing.data(),
    )


def send_dead_event(cloud: Cloud, job: str, reason: str, error: str, event: Any) -> None:
    """The same for what came in and made no firing."""
    _send_dead(cloud, job, reason, error, event=event)


def _send_dead(cloud: Cloud, job: str, reason: str, error: str, **rest: Any) -> None:
    # The instant is part of the letter: a second delivery of it is recognised as the same.
    letter = {"job": job, "reason": reason, "error": redact.text(error), "at": clock.iso(cloud.clock.now()), **rest}
    cloud.sqs.send_message(QueueUrl=cloud.names.queue_url(DEAD), MessageBody=json.dumps({"dead": letter}, default=str))
