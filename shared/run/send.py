"""Sending what is not run here and now: hand-overs, retries, continuations, shards, dead letters."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any, Protocol, cast

from shared import clock, redaction
from shared.aws.names import DEAD, FIRINGS, WORK
from shared.job.definition import INLINE, QUEUE, WORKER, Job
from shared.job.settings import SettingError
from shared.job.validation import MOST_HOPS, hops
from shared.run import oversized
from shared.run.firing import PARTS, Firing

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

LONGEST_DELAY = 900
# Of a letter's error, in characters; rows and alerts have less of it.
LONGEST_ERROR = 4096
BATCH = 10
# Where the firings wait that a worker of ours takes; those of other systems have a broker of their own.
QUEUES = {"": FIRINGS, INLINE: FIRINGS, QUEUE: FIRINGS, WORKER: WORK}


class Broker(Protocol):
    """What an adapter in workers/ has, each named as RUN_BY says."""

    def send(self, firing: Firing, delay: int) -> None: ...


def may_go_on(job: Job, firing: Firing) -> bool:
    """Whether a continuation with all its attempts still fits into the chain; else the next tick continues."""
    onward = firing.continuation()
    return onward.part < PARTS and onward.hop - 1 + hops(job.retry.attempts) <= MOST_HOPS


def may_be_put_off(job: Job, firing: Firing) -> bool:
    left = job.retry.attempts - firing.attempt + 1
    return firing.hop + 1 + hops(left) <= MOST_HOPS


def send(cloud: Cloud, firing: Firing, delay: int = 0) -> None:
    """To whoever runs it, due in `delay` seconds, 900 at most."""
    delay = min(delay, LONGEST_DELAY)
    if firing.by not in QUEUES:
        _broker(firing).send(firing, delay)
        return
    cloud.sqs.send_message(
        QueueUrl=cloud.names.queue_url(QUEUES[firing.by]),
        MessageBody=json.dumps({"firing": firing.data()}),
        DelaySeconds=delay,
    )


def _broker(firing: Firing) -> Broker:
    try:
        # By name: what runs jobs imports nothing of those who have them run.
        return cast(Broker, importlib.import_module(f"workers.{firing.by}"))
    except ImportError as error:
        raise SettingError(
            f"{firing.job} is to be run by {firing.by}, and that is not installed here ({error}); "
            f"docs/workers.md says how, or choose another way to run it"
        ) from None


def send_shards(cloud: Cloud, firing: Firing, shards: int) -> None:
    if firing.by not in QUEUES:
        for number in range(shards):
            _broker(firing).send(firing.shard(number), 0)
        return
    entries = [
        {"Id": str(number), "MessageBody": json.dumps({"firing": firing.shard(number).data()})}
        for number in range(shards)
    ]
    for start in range(0, shards, BATCH):
        answer = cloud.sqs.send_message_batch(
            QueueUrl=cloud.names.queue_url(QUEUES[firing.by]),
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


def send_dead_event(
    cloud: Cloud, job: str, reason: str, error: str, event: Any, letter: str = "", at: str = ""
) -> None:
    """The same for what came in and made no firing. letter: the dead letter that it served again. at: when it died,
    where that was not now."""
    known = {name: value for name, value in (("letter", letter), ("at", at)) if value}
    _send_dead(cloud, job, reason, error, event=event, **known)


def _send_dead(cloud: Cloud, job: str, reason: str, error: str, **rest: Any) -> None:
    # The instant is part of the letter: a second delivery of it is recognised as the same.
    told = {
        "reason": redaction.text(reason),
        "error": redaction.sample(error, LONGEST_ERROR),
        "at": clock.iso(cloud.clock.now()),
    }
    letter = {"job": job, **told, **rest}
    cloud.sqs.send_message(QueueUrl=cloud.names.queue_url(DEAD), MessageBody=oversized.fit(cloud, letter))
