"""One run of a consumer: a batch of messages. No lease and no tick; idempotency sits in the business write."""

from __future__ import annotations

import time
import traceback
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from shared import clock
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.names import STATE
from shared.deadline import DeadlineExceeded, within
from shared.job.definition import FINISH_SECONDS, Job
from shared.job.outcome import Done, Failed, Outcome, Reason, Skipped
from shared.messages import message, resend
from shared.run import gates, history, pauses, status
from shared.run.context import RunContext
from shared.run.firing import Batch, Firing
from shared.run.run import noted, run_id

if TYPE_CHECKING:
    from shared.observability.log import Log

# A consumer that works all the time would pay as much for its status as for its work.
STATUS_EVERY = 60_000
# Counts of messages that wait on purpose.
WAITING = ("paused", "put_off")


@dataclass(slots=True)
class LastPublished:
    """What this process wrote last of a job, and when, so that the store is not even asked for each batch; and what
    became of messages since. lag: milliseconds that the eldest one had waited."""

    at: int = 0
    ok: bool | None = None
    done: int = 0
    failed: int = 0
    lag: int = 0


_shown: WeakKeyDictionary[Cloud, dict[str, LastPublished]] = WeakKeyDictionary()


def run_batch(job: Job, batch: Batch, cloud: Cloud, log: Log, seconds: float) -> list[str]:
    """Run `job` on the batch and return the ids of the messages that must come back."""
    started, clocked = cloud.clock.now(), time.monotonic()
    mine = run_id(started)
    firing = Firing(job.name, started, correlation_id=uuid.uuid4().hex)
    log = log.bind(job=job.name, jobId=mine, entityId="-", correlationId=firing.correlation_id)
    tick = RunContext(job, firing, cloud, mine, started, log, batch=batch)
    tick.time_allowed = min(job.timeout, seconds) - FINISH_SECONDS
    every = [record["messageId"] for record in batch.records]
    outcome: Outcome
    shut = gates.first_closed(job, firing, cloud)
    held = pauses.recent(cloud, job.name).get(pauses.WHOLE) if shut is None and not job.collector else None
    if shut is not None:
        # A shut gate keeps the messages; they are served when it opens, or end as dead letters in the open.
        outcome, tick.failures = shut, every
    elif held is not None:
        for record in batch.records:
            resend.defer_paused(cloud, message.read(record))
        outcome = Skipped(Reason.PAUSED, held.text)
    else:
        log.info(f"{job.name}_started", status="PROCESSING", messages=len(every))
        try:
            with within(tick.time_allowed):
                outcome = noted(tick, job.work(tick))
        except (Exception, DeadlineExceeded) as error:  # noqa: BLE001 - whatever a job raises is its outcome
            outcome = Failed(f"{type(error).__name__}: {error}", type(error).__name__, traceback.format_exc())
            tick.failures = [each for each in every if each not in tick.answered]
    ms = round((time.monotonic() - clocked) * 1000)
    _tell(tick, outcome, ms)
    _show(tick, outcome, ms)
    return tick.failures


def _tell(run: RunContext, outcome: Outcome, ms: int) -> None:
    name, log = run.job.name, run.log.bind(status=outcome.word, duration=ms)
    match outcome:
        case Done():
            log.info(f"{name}_complete", result=dict(outcome.counts))
        case Failed():
            log.error(f"{name}_failed", step="error", error=outcome.error, stack=outcome.stack)
            log.metric(name, {"Failed": 1, "Duration": ms})
            history.History(run.cloud, name, run.job.retention).write(run.firing, run.run_id, run.started, outcome, ms)
        case Skipped():
            log.warning(f"{name}_{outcome.word}", note=outcome.note)
        case _:
            log.info(f"{name}_{outcome.word}")


def _show(run: RunContext, outcome: Outcome, ms: int) -> None:
    """The status item, at most once a minute unless the verdict changed; so a streak counts bad minutes."""
    now, own = (
        clock.milliseconds(run.started),
        _shown.setdefault(run.cloud, {}).setdefault(run.job.name, LastPublished()),
    )
    _count(own, run, outcome, now)
    if own.ok == outcome.ok and own.at >= now - STATUS_EVERY:
        return
    own.at, own.ok = now, outcome.ok
    shown = status.of(outcome, run.started, ms, {})
    values = {":status": shown, ":now": now, ":before": now - STATUS_EVERY, ":ok": outcome.ok}
    update = "SET #status = :status, shown = :now, #ok = :ok, #lag = :lag"
    values |= {":lag": own.lag, ":done": own.done, ":failed": own.failed}
    # A shut gate is no verdict.
    if not isinstance(outcome, Skipped):
        counted, extra = status.verdicts(outcome.ok, shown["at"], shown.get("note", ""))
        update, values = f"{update}, {counted}", {**values, **extra}
    try:
        run.cloud.dynamodb.update_item(
            TableName=run.cloud.names.table(STATE),
            Key=attributes.row({"pk": f"{run.job.key}:last", "sk": "-"}),
            UpdateExpression=f"{update} ADD messages_done :done, messages_failed :failed",
            ConditionExpression="attribute_not_exists(shown) OR shown < :before OR #ok <> :ok",
            ExpressionAttributeNames={"#status": "status", "#ok": "ok", "#lag": "lag"},
            ExpressionAttributeValues=attributes.row(values),
        )
    except run.cloud.ConditionalCheckFailed:
        return
    own.done = own.failed = own.lag = 0


def _count(own: LastPublished, run: RunContext, outcome: Outcome, now: int) -> None:
    """Messages that were handled, and those that failed or were rejected. What waits on purpose is neither, and a shut
    gate has touched none."""
    if isinstance(outcome, Skipped):
        return
    counts = outcome.counts if isinstance(outcome, Done) else {}
    done, waits = counts.get("handled", 0), sum(counts.get(name, 0) for name in WAITING)
    own.done, own.failed = own.done + done, own.failed + len(run.records) - done - waits
    sent = [int(record.get("attributes", {}).get("SentTimestamp", now)) for record in run.records]
    own.lag = max(own.lag, now - min(sent, default=now))
