"""Run a consumer on a batch of messages.

No lease and no tick; idempotency is in the write of each message.

Shared with a run of any other job: context, gates, work under a deadline, history and report (shared/run). Different
in a batch: a pause keeps the messages, the ids of failed messages are returned, and the status is written rarely.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from shared.job.definition import Job
from shared.job.outcome import Failed, Lost, Outcome, Reason, Skipped
from shared.messages import batch_status, message, resend
from shared.run import gates, pauses, report
from shared.run.begin import begin
from shared.run.context import RunContext
from shared.run.firing import Batch, Firing
from shared.run.work import perform
from shared.store.transient import persist

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.observability.log import Log


def run_batch(job: Job, batch: Batch, cloud: Cloud, log: Log, seconds: float) -> list[str]:
    """Run `job` on the batch.

    Returns the ids of the messages that SQS must deliver again.
    """
    firing = Firing(job.name, cloud.clock.now(), correlation_id=uuid.uuid4().hex)
    run = begin(job, firing, cloud, log, seconds, batch)
    outcome = _refuse(run) or _defer_paused(run) or _perform(run)
    ms = run.elapsed_ms()
    report.log_end(run, outcome, ms)
    if isinstance(outcome, Failed | Lost):
        _record(run, "history", report.write_history, outcome, ms)
    _record(run, "history", _write_failed_messages, outcome, ms)
    _record(run, "status", batch_status.publish, outcome, ms)
    return run.failures


def _record(
    run: RunContext, what: str, write: Callable[[RunContext, Outcome, int], None], outcome: Outcome, ms: int
) -> None:
    """Record the end of a batch.

    Never fails it: its messages are answered by now, and would be answered twice.
    """
    try:
        write(run, outcome, ms)
    except Exception as error:  # noqa: BLE001 - bookkeeping never fails a batch
        text = f"{type(error).__name__}: {error}"
        run.log.error(f"{run.job.name}_{what}_not_written", outcome=outcome.word, error=text)


def _write_failed_messages(run: RunContext, _: Outcome, __: int) -> None:
    if run.failed_messages:
        # Imported lazily: most batches have none.
        from shared.run import failed_message

        failed_message.write_history(run, run.failed_messages)


def _refuse(run: RunContext) -> Outcome | None:
    """Keep all messages in the queue while a gate is closed.

    It opens, or they become dead letters.
    """
    closed = gates.closed_outcome(run.job, run.firing, run.cloud)
    if closed is not None:
        run.failures = _ids(run)
    return closed


def _defer_paused(run: RunContext) -> Outcome | None:
    """Defer all messages while the whole job is paused.

    Waiting must not use up their receives.
    """
    # The collector of dead letters is never paused.
    if run.job.collector:
        return None
    # A read that fails for a moment must not delay the messages by their visibility timeout.
    paused = persist(partial(pauses.recent, run.cloud, run.job.name), run.cloud.clock, run.time_left)
    held = paused.get(pauses.WHOLE)
    if held is None:
        return None
    for record in run.records:
        try:
            resend.defer_paused(run.cloud, message.read(record))
        except Exception as error:  # noqa: BLE001 - one message does not hold up the others
            run.log.error(f"{run.job.name}_message_not_deferred", messageId=record["messageId"], error=str(error))
            run.failures.append(record["messageId"])
    return Skipped(Reason.PAUSED, held.note)


def _perform(run: RunContext) -> Outcome:
    """Work on the messages.

    Where that fails, those without an answer come back.
    """
    ids = _ids(run)
    run.log.info(f"{run.job.name}_started", status="PROCESSING", messages=len(ids))
    outcome = perform(run.job, run)
    if isinstance(outcome, Failed | Lost):
        run.failures = [each for each in ids if each not in run.answered]
    return outcome


def _ids(run: RunContext) -> list[str]:
    return [record["messageId"] for record in run.records]
