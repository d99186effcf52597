"""Set back the watermark of a rollup, ahead of the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from shared import clock
from shared.admin import audit
from shared.admin.reset_position import ResetRefused
from shared.store import watermark
from shared.store.age_index import AgeIndex, ExpiredRows
from shared.store.transaction import Put, TransactionCancelled, write_together
from shared.store.watermark import Watermark
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.tables import Index, Table

# Rows that a preview counts.
MOST_COUNTED = 100_000


class SummingJob(Protocol):
    """A rollup, as far as a reset reads it."""

    @property
    def name(self) -> str: ...

    @property
    def table(self) -> Table: ...

    def recorded(self) -> Index: ...


@dataclass(frozen=True, slots=True)
class WatermarkReset:
    """A watermark, the one to set, and the rows since then."""

    was: Watermark
    to: str
    #: Rows recorded since `to`, which the next runs add; MOST_COUNTED for that many or more.
    rows: int


def preview(cloud: Cloud, job: SummingJob, to: datetime) -> WatermarkReset:
    """Count the rows that a reset would have added.

    Raises ResetRefused where the watermark is not ahead of the clock, or `to` is.
    """
    mark, end = watermark.read(cloud, job.name), clock.iso(to)
    if not mark.furthest:
        raise ResetRefused(f"{job.name} has no watermark: it has added nothing yet; nothing was done")
    if not watermark.is_ahead(cloud, mark):
        raise ResetRefused(f"{job.name}: its watermark {mark.furthest} is not ahead of the clock; nothing was done")
    if to > cloud.clock.now():
        raise ResetRefused(f"{end} is in the future; nothing was done")
    index = job.recorded()
    recorded = ExpiredRows(cloud, AgeIndex(job.table, index), index.partitions(), clock.iso(cloud.clock.now()), end)
    count = 0
    for count, _ in enumerate(recorded.rows(), 1):
        if count == MOST_COUNTED:
            break
    return WatermarkReset(mark, end, count)


def reset(cloud: Cloud, job: SummingJob, to: datetime, operator: str, reason: str) -> WatermarkReset:
    """Set the watermark back, with its audit entry.

    Raises ResetRefused, and audit.ReasonMissing.
    """
    planned = preview(cloud, job, to)
    scope = {"job": job.name, "was": planned.was.furthest, "to": planned.to, "rows": planned.rows}
    entry = audit.OperatorAuditEntry(cloud, "reset watermark", operator, reason, scope)
    now = clock.iso(cloud.clock.now())
    row = Put(STATE, {**entry.row, "count": 1, "ended": now, "end": "done"})
    try:
        # In one transaction: neither the reset nor its audit entry exists without the other.
        write_together(cloud, [row, watermark.moved_back(job.name, planned.was, planned.to)])
    except TransactionCancelled as error:
        if not (error.condition_failed or error.conflicted):
            raise
        raise ResetRefused(f"{job.name}: a run or another operator has moved its watermark; nothing was done") from None
    return planned
