"""FailedMessage: a failed attempt of a message, and its history row.

A batch that handled all its messages has no row; each failed message has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.aws import attributes
from shared.aws.names import NO_TARGET
from shared.job import retention
from shared.job.outcome import Failed
from shared.store import failure_index, keys
from shared.store.batch_write import BATCH, batch_write
from shared.tables import STATE, TTL

if TYPE_CHECKING:
    from shared.run.context import RunContext


@dataclass(frozen=True, slots=True)
class FailedMessage:
    """A failed attempt of one message."""

    #: SQS message id of this delivery.
    id: str
    #: Id of the organization, or "".
    tenant: str
    #: Id of what the message is about, or "".
    entity: str
    #: Number of the attempt, from 1.
    attempt: int
    error: str
    #: Whether no attempt follows: the message is a dead letter.
    final: bool
    #: Milliseconds that the attempt took.
    ms: int
    correlation_id: str = ""


def summary(failed: Sequence[FailedMessage], messages: int) -> str:
    """Return the number of failed messages and the first error."""
    return f"{len(failed)} of {messages} messages failed: {failed[0].error}" if failed else ""


def write_history(run: RunContext, failed: Sequence[FailedMessage]) -> None:
    """Write a history row for each failed message of a batch.

    A row's id is that of the run with the number of the message, so a repeated write is the same row.
    """
    age = retention.read(run.job.retention).failed.age
    expires = int((run.cloud.clock.now() + age).timestamp())
    rows = [_row(run, number, each, expires) for number, each in enumerate(failed, start=1)]
    table = run.cloud.names.table(STATE.name)
    for start in range(0, len(rows), BATCH):
        puts = [{"PutRequest": {"Item": attributes.row(row)}} for row in rows[start : start + BATCH]]
        batch_write(run.cloud, table, puts, "written")


def _row(run: RunContext, number: int, failed: FailedMessage, expires: int) -> dict[str, Any]:
    own_id = f"{run.run_id}.{number}"
    row = {
        **keys.run(run.job.name, own_id).attributes,
        **failure_index.keys_of_run(run.job.name, own_id, run.started, failed.tenant),
        "job": run.job.name,
        "target": NO_TARGET,
        "tenant": redaction.excerpt(failed.tenant, redaction.SHORT) or None,
        "entityId": redaction.excerpt(failed.entity, redaction.SHORT) or None,
        "messageId": failed.id,
        "attempt": failed.attempt,
        "outcome": Failed.word,
        "ok": False,
        "final": failed.final or None,
        "started": clock.iso(run.started),
        "ms": failed.ms,
        "note": redaction.excerpt(failed.error, redaction.LONG) or None,
        "correlationId": redaction.excerpt(failed.correlation_id, redaction.SHORT) or None,
        TTL: expires,
    }
    return {name: value for name, value in row.items() if value is not None}
