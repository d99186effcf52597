"""Run of a pipeline: claim, process and release each due request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from shared import redaction
from shared.archetypes.pipeline.definition import Continue, RequestRefused, StepDone
from shared.archetypes.pipeline.states import WorkState
from shared.archetypes.sweep.invalid_rows import LONGEST_ERROR, InvalidRows
from shared.deadline import DeadlineExceeded
from shared.job.effect import NotPerformed
from shared.store.age_index import AgeIndex, Row, read_full_rows
from shared.store.conditional_update import update_if_unchanged
from shared.store.due_index import index_of
from shared.store.fencing import Fenced
from shared.store.record import FAULT, MARKS, InvalidRecord, Record

if TYPE_CHECKING:
    from shared.archetypes.pipeline.definition import PipelineDefinition
    from shared.run.context import RunContext

# No piece begins with less time left than this many seconds, or than this share of the timeout.
RESERVE = 60
RESERVED_SHARE = 0.2
# Delay after a failure of our own, such as an invalid setting: it lasts until an operator has acted.
OWN_FAILURE_DELAY = timedelta(minutes=5)


class ConcurrentChange(Exception):
    """The row was written by another process since it was read."""


@dataclass(slots=True)
class Claimed:
    """Request claimed by this run: its current row and its model."""

    row: Mapping[str, Any]
    item: Any


class PipelineRun:
    """One run of a pipeline.

    counts: requests by outcome word. more: whether due requests are left.
    """

    def __init__(self, job: PipelineDefinition, run: RunContext) -> None:
        self.job = job
        self.run = run
        self.cloud = run.cloud
        module, _, name = job.record.rpartition(".")
        self.model: type[Record] = getattr(import_module(module), name)
        self.index = index_of(job.table)
        self.invalid = InvalidRows(run, job.table, self.index)
        self.counts: Counter[str] = Counter()
        self.more = False
        self.percents = dict(zip(job.steps, (0, *job.steps.values()), strict=False))

    def process_all(self, first: Row, others: Iterator[Row]) -> None:
        left = self.run.cap
        row: Row | None = first
        while row is not None:
            if left <= 0 or (self._out_of_time() and left < self.run.cap):
                self.more = True
                return
            left -= 1
            claimed = None
            try:
                claimed = self._claim(row)
                if claimed is not None:
                    self._process(claimed)
            except ConcurrentChange:
                self.counts["moved"] += 1
                self._clean_up(claimed)
            except DeadlineExceeded:
                # Of a process that was frozen, too: another run may have ended the request since.
                self._clean_up(claimed)
                raise
            row = next(others, None)

    def _out_of_time(self) -> bool:
        return self.run.time_for_more() < min(RESERVE, RESERVED_SHARE * self.job.timeout)

    def _claim(self, row: Row) -> Claimed | None:
        """Claim a request until the run's deadline.

        If the run is lost, the request is due again and its attempt counts.
        """
        full = next(read_full_rows(self.cloud, AgeIndex(self.job.table, self.index), [row]), None)
        if full is None:
            raise ConcurrentChange
        try:
            item: Any = self.model.from_row(full.item, self.cloud.clock.now())
        except InvalidRecord as error:
            self.invalid.quarantine(full, str(error))
            self.counts["faulty"] += 1
            return None
        claimed = Claimed(full.item, item)
        if not self.job.persistent and item.attempts >= self.job.delays.attempts:
            self._fail(claimed, f"{item.attempts} runs were interrupted at {item.step or 'its beginning'}")
            return None
        begins = {"state": WorkState.PROCESSING, "started_at": item.started_at or self.cloud.clock.now()}
        step = item.step if item.step in self.job.steps else next(iter(self.job.steps))
        self._write(claimed, {**begins, "step": step, "attempts": item.attempts + 1, "due_on": self._claim_expiry()})
        self._log("started", claimed)
        return claimed

    def _process(self, claimed: Claimed) -> None:
        """Do pieces until the request ends or the run's time does."""
        while True:
            try:
                result: Continue | StepDone = getattr(self.job, claimed.item.step)(self.run, claimed.item)
                if not self._write_piece(claimed, result):
                    return
            except (Fenced, ConcurrentChange):
                raise
            except RequestRefused as error:
                self._fail(claimed, str(error))
                return
            except NotPerformed as error:
                self._defer(claimed, f"{type(error).__name__}: {error}", counted=False)
                return
            except Exception as error:  # noqa: BLE001 - the error of one request must not stop the others
                self._defer(claimed, f"{type(error).__name__}: {error}")
                return

    def _clean_up(self, claimed: Claimed | None) -> None:
        """Let the job remove what its piece wrote in vain."""
        if claimed is None:
            return
        try:
            self.job.superseded(self.run, claimed.item)
        except Exception as error:  # noqa: BLE001 - the request is another run's: its end does not depend on this
            self.run.log.warning("not_cleaned_up", key=claimed.item.id, error=f"{type(error).__name__}: {error}")

    def _write_piece(self, claimed: Claimed, result: Continue | StepDone) -> bool:
        """Write a piece's result; True if the next piece follows at once."""
        job, item = self.job, claimed.item
        wait = result.at if isinstance(result, Continue) else None
        if isinstance(result, Continue):
            step, begin = item.step, self.percents[item.step]
            progress = begin + int((job.steps[step] - begin) * min(max(result.share, 0), 1))
        else:
            order = [*job.steps]
            step, progress = (*order, "")[order.index(item.step) + 1], job.steps[item.step]
        fields = {"step": step, "cursor": result.cursor, "progress": max(progress, item.progress), **result.fields}
        if not step:
            self._complete(claimed, fields)
            return False
        stops = wait is not None or self._out_of_time()
        due = wait or (self.cloud.clock.now() if stops else self._claim_expiry())
        self._write(claimed, {**fields, "attempts": 0, "due_on": due, "error": ""})
        self._log("in_progress", claimed)
        self.more = self.more or (stops and wait is None)
        self.counts["put_by" if wait else "unfinished"] += stops
        return not stops

    def _complete(self, claimed: Claimed, fields: Mapping[str, Any]) -> None:
        ends = {"state": WorkState.COMPLETED, "progress": 100, "completed_at": self.cloud.clock.now()}
        changes = {**fields, **ends, "attempts": 0, "due_on": None, "error": "", "cursor": ""}
        self._write(claimed, changes, self.job.finished(self.run, claimed.item.with_changes(changes)))
        self._log("complete", claimed)
        self.counts["completed"] += 1

    def _defer(self, claimed: Claimed, why: str, *, counted: bool = True) -> None:
        """Defer a failed piece.

        counted: False for a failure of our own, which is no attempt of the request.
        """
        if counted:
            # A successful piece earlier in this run has reset the count.
            number = max(claimed.item.attempts, 1)
            delay = self.job.delays.delay(number)
            if delay is None and not self.job.persistent:
                self._fail(claimed, why)
                return
            wait = timedelta(seconds=self.job.delays.delays[-1] if delay is None else delay)
        else:
            number, wait = max(claimed.item.attempts - 1, 0), OWN_FAILURE_DELAY
        at = self.cloud.clock.now() + wait
        self._write(claimed, {"due_on": at, "attempts": number, "error": redaction.excerpt(why, LONGEST_ERROR)})
        self._log("put_off", claimed, why)
        self.counts["put_off"] += 1

    def _fail(self, claimed: Claimed, why: str) -> None:
        ends = {"state": WorkState.FAILED, "failed_at": self.cloud.clock.now(), "due_on": None}
        changes = {**ends, "error": redaction.excerpt(why, LONGEST_ERROR)}
        self._write(claimed, changes, self.job.failed(self.run, claimed.item.with_changes(changes)))
        self._log("failed", claimed, why)
        self.counts["failed"] += 1

    def _write(self, claimed: Claimed, changes: Mapping[str, Any], puts: Sequence[Any] = ()) -> None:
        """Write the row if it is unchanged. Raises ConcurrentChange."""
        item = claimed.item.with_changes(changes)
        marks = {name: claimed.row[name] for name in MARKS if name != FAULT and name in claimed.row}
        after = {**marks, **item.item()}
        if not update_if_unchanged(self.cloud, self.job.table, claimed.row, after, (self.index.sk,), puts):
            raise ConcurrentChange
        claimed.row, claimed.item = after, item

    def _claim_expiry(self) -> datetime:
        """Expiry of the claim on a request.

        Until then no other run takes the request, even if this one is lost.
        """
        return self.run.deadline + timedelta(seconds=60)

    def _log(self, event: str, claimed: Claimed, error: str = "") -> None:
        item = claimed.item
        fields = {"user": item.user, "entityId": item.id, "step": "error" if error else item.step}
        log = self.run.log.error if error else self.run.log.info
        log(
            f"{self.job.name}_{event}",
            **fields,
            status=item.state.upper(),
            percentage=item.progress,
            error=error or None,
        )
