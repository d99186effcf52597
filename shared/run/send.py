"""Send firings and dead letters to their queues.

Retries, continuations, shards, routed firings.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol, cast

from shared import clock, redaction
from shared.aws.names import CODE_VERSION, DEAD, FIRINGS, WORK
from shared.dead_letters.subject import Subject
from shared.job.definition import INLINE, QUEUE, WORKER, Job
from shared.job.setting import SettingError
from shared.job.validation import MAX_HOPS, hops
from shared.run import oversized
from shared.run.firing import MAX_PARTS, Firing
from shared.text.timestamp import parse_timestamp

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from shared.aws.cloud import Cloud

# Seconds for which SQS can delay a message.
MAX_DELAY = 900
# Seconds of the first deferral of a firing that finds the lease held: most runs release it before it expires.
SHORT_DEFERRAL = 2
# Seconds between the last run of a chain and the first of the next: a tick that goes wrong is slow at it.
CHAIN_DELAY = 30
# Characters of a dead letter's error; rows and alerts show fewer.
ERROR_LENGTH = 4096
# Messages of one SendMessageBatch.
BATCH_SIZE = 10
# Queue of the firings for each runtime of this project; Celery and RQ have brokers of their own.
QUEUES = {"": FIRINGS, INLINE: FIRINGS, QUEUE: FIRINGS, WORKER: WORK}


class Broker(Protocol):
    """An adapter in workers/, named as a value of RUN_BY."""

    def send(self, firing: Firing, delay: int) -> None: ...


def may_continue(firing: Firing) -> bool:
    """Return whether the tick may have another part.

    Else the next tick continues.
    """
    return firing.part + 1 < MAX_PARTS


def send_continuation(cloud: Cloud, job: Job, continuation: Firing) -> None:
    """Send the next part of a tick.

    Where it does not fit into the chain with all its attempts, it begins another chain: with a trace of its own, and
    after CHAIN_DELAY. MAX_PARTS bounds the chains of a tick.
    """
    if continuation.hop - 1 + hops(job.retry.attempts) <= MAX_HOPS:
        send(cloud, continuation)
    else:
        _send(cloud, cloud.sqs_new_trace, continuation.new_chain(), CHAIN_DELAY)


def may_defer(job: Job, firing: Firing) -> bool:
    """Return whether a deferral fits into the chain of invocations.

    With the attempts that are left.
    """
    left = job.retry.attempts - firing.attempt + 1
    return firing.hop + 1 + hops(left) <= MAX_HOPS


def send(cloud: Cloud, firing: Firing, delay: int = 0, *, new_trace: bool = False) -> None:
    """Send a firing to its runtime, due in `delay` seconds.

    A delay that is longer than SQS allows is completed by `deferred_again` at each receipt.

    new_trace: whether the loop detection of Lambda begins to count anew.
    """
    due = clock.iso(cloud.clock.now() + timedelta(seconds=delay)) if delay > MAX_DELAY else ""
    _send(cloud, cloud.sqs_new_trace if new_trace else cloud.sqs, replace(firing, not_before=due), delay)


def deferred_again(cloud: Cloud, firing: Firing) -> bool:
    """Return whether the firing is not due yet, and defer it then."""
    if not firing.not_before:
        return False
    left = (parse_timestamp(firing.not_before) - cloud.clock.now()).total_seconds()
    if left <= 0:
        return False
    # A trace of its own: to wait for hours is no loop of invocations.
    _send(cloud, cloud.sqs_new_trace, firing, ceil(left))
    return True


def _send(cloud: Cloud, sqs: SQSClient, firing: Firing, delay: int) -> None:
    delay = min(delay, MAX_DELAY)
    if firing.by not in QUEUES:
        _broker(firing).send(firing, delay)
        return
    sqs.send_message(
        QueueUrl=cloud.names.queue_url(QUEUES[firing.by]),
        MessageBody=json.dumps({"firing": firing.data()}),
        DelaySeconds=delay,
    )


def _broker(firing: Firing) -> Broker:
    try:
        # Imported by name: shared/ must not depend on workers/.
        return cast(Broker, importlib.import_module(f"workers.{firing.by}"))
    except ImportError as error:
        raise SettingError(
            f"{firing.job} is to be run by {firing.by}, and that is not installed here ({error}); "
            f"see docs/howto/workers.md, or choose another way to run it"
        ) from None


def send_shards(cloud: Cloud, firing: Firing, shards: int) -> None:
    """Send one firing per shard.

    Raises RuntimeError where SQS does not accept all.
    """
    if firing.by not in QUEUES:
        for number in range(shards):
            _broker(firing).send(firing.shard(number, shards), 0)
        return
    entries = [
        {"Id": str(number), "MessageBody": json.dumps({"firing": firing.shard(number, shards).data()})}
        for number in range(shards)
    ]
    for start in range(0, shards, BATCH_SIZE):
        answer = cloud.sqs.send_message_batch(
            QueueUrl=cloud.names.queue_url(QUEUES[firing.by]),
            Entries=entries[start : start + BATCH_SIZE],  # type: ignore[arg-type]
        )
        if answer.get("Failed"):
            raise RuntimeError(f"{firing.job}: {len(answer['Failed'])} shards were not sent: {answer['Failed'][0]}")


def send_dead_letter(cloud: Cloud, firing: Firing, run: str, reason: str, error: str, version: str = "") -> None:
    """Send a firing to the dead-letter queue.

    With the data to understand and to redrive it.

    version: of the code that failed; empty for an interrupted run, which another function reports.
    """
    subject = Subject(run=run, attempts=firing.attempt, first_failed_at=firing.first_failed_at, version=version)
    _send_dead_letter(cloud, firing.job, reason, error, subject, firing=firing.data())


def send_dead_letter_for_event(
    cloud: Cloud,
    job: str,
    reason: str,
    error: str,
    event: Any,
    letter: str = "",
    at: str = "",
    subject: Subject | None = None,
) -> None:
    """Send another event, such as a message, to the dead-letter queue.

    letter: the dead letter that the event redrives. at: when it failed (default: now). subject: whose work it is.
    """
    optional = {name: value for name, value in (("letter", letter), ("at", at)) if value}
    _send_dead_letter(cloud, job, reason, error, subject or Subject(), event=event, **optional)


def code_version(cloud: Cloud) -> str:
    """Return the version of this function's code; empty outside of Lambda."""
    return cloud.environment.get(CODE_VERSION, "")


def _send_dead_letter(cloud: Cloud, job: str, reason: str, error: str, subject: Subject, **rest: Any) -> None:
    # The timestamp is part of the message: its second delivery is recognised as the same dead letter.
    required = {
        "reason": redaction.text(reason),
        "error": redaction.sample(error, ERROR_LENGTH),
        "at": clock.iso(cloud.clock.now()),
    }
    # In one order: a subject that was stored comes back in another, and would make another dead letter.
    known = {name: value for name, value in sorted(subject.items()) if value}
    letter = {"job": job, **required, **known, **rest}
    cloud.sqs.send_message(QueueUrl=cloud.names.queue_url(DEAD), MessageBody=oversized.encode(cloud, letter))
