"""One run of a pipeline over what is due: each request is taken, worked on piece by piece, and let go of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from shared import redaction
from shared.archetypes.pipeline import Continue, RequestRefused, StepDone, WorkState
from shared.archetypes.sweep.invalid_rows import LONGEST_ERROR, InvalidRows
from shared.archetypes.sweep.runner import having
from shared.job.settings import SettingError
from shared.store.age_index import AgeIndex, Row, read_full_rows
from shared.store.conditional_update import update_if_unchanged
from shared.store.due_index import index_of
from shared.store.fencing import Fenced
from shared.store.record import FAULT, MARKS, InvalidRecord, Record

if TYPE_CHECKING:
    from shared.archetypes.pipeline import Pipeline
    from shared.run.context import RunContext

# Seconds left at which no further piece is begun: a piece takes some seconds.
RESERVE = 60
SHARE = 0.2


class ConcurrentChange(Exception):
    """Somebody else has written the row since it was read; it is theirs."""


@dataclass(slots=True)
class Claimed:
    """A request that this run has taken: its row as it stands, and the same as its model."""

    row: Mapping[str, Any]
    item: Any


class PipelineRun:
    def __init__(self, job: Pipeline, run: RunContext) -> None:
        self.job = job
        self.run = run
        self.cloud = run.cloud
        module, _, name = job.record.rpartition(".")
        self.model: type[Record] = getattr(import_module(module), name)
        self.index = index_of(job.table)
        self.faults = InvalidRows(run, job.table, self.index)
        self.counts: Counter[str] = Counter()
        self.more = False
        self.percents = dict(zip(job.steps, (0, *job.steps.values()), strict=False))

    def all(self, first: Row, others: Iterator[Row]) -> None:
        left = self.run.cap
        row: Row | None = first
        while row is not None:
            if left <= 0 or (self._short() and left < self.run.cap):
                self.more = True
                return
            left -= 1
            try:
                held = self._take(row)
                if held is not None:
                    self._through(held)
            except ConcurrentChange:
                self.counts["moved"] += 1
            row = next(others, None)

    def _short(self) -> bool:
        return self.run.room() < min(RESERVE, SHARE * self.job.timeout)

    def _take(self, row: Row) -> Claimed | None:
        """The request, taken by this run for as long as it may last: who dies with it is put off, and counted."""
        full = next(read_full_rows(self.cloud, AgeIndex(self.job.table, self.index), [row]), None)
        if full is None:
            raise ConcurrentChange
        try:
            item: Any = self.model.of(full.item, self.cloud.clock.now())
        except InvalidRecord as error:
            self.faults.quarantine(full, str(error))
            self.counts["faulty"] += 1
            return None
        held = Claimed(full.item, item)
        if not self.job.persistent and item.attempts >= self.job.delays.attempts:
            self._fail(held, f"{item.attempts} runs died with it at {item.step or 'its beginning'}")
            return None
        begins = {"state": WorkState.PROCESSING, "started_at": item.started_at or self.cloud.clock.now()}
        step = item.step if item.step in self.job.steps else next(iter(self.job.steps))
        self._write(held, {**begins, "step": step, "attempts": item.attempts + 1, "due_on": self._away()})
        self._log("started", held)
        return held

    def _through(self, held: Claimed) -> None:
        """All the pieces for which there is time."""
        while True:
            try:
                done: Continue | StepDone = getattr(self.job, held.item.step)(self.run, held.item)
                if not self._note(held, done):
                    return
            except (Fenced, ConcurrentChange):
                raise
            except (RequestRefused, SettingError) as error:
                self._fail(held, str(error))
                return
            except Exception as error:  # noqa: BLE001 - whatever one request raises is its own; the others go on
                self._put_off(held, f"{type(error).__name__}: {error}")
                return

    def _note(self, held: Claimed, done: Continue | StepDone) -> bool:
        """Write down what is done; whether another piece follows at once."""
        job, item = self.job, held.item
        wait = done.at if isinstance(done, Continue) else None
        if isinstance(done, Continue):
            step, begin = item.step, self.percents[item.step]
            progress = begin + int((job.steps[step] - begin) * min(max(done.share, 0), 1))
        else:
            order = [*job.steps]
            step, progress = (*order, "")[order.index(item.step) + 1], job.steps[item.step]
        known = {"step": step, "cursor": done.cursor, "progress": max(progress, item.progress), **done.noted}
        if not step:
            self._complete(held, known)
            return False
        stops = wait is not None or self._short()
        due = wait or (self.cloud.clock.now() if stops else self._away())
        self._write(held, {**known, "attempts": 0, "due_on": due, "error": ""})
        self._log("in_progress", held)
        self.more = self.more or (stops and wait is None)
        self.counts["put_by" if wait else "unfinished"] += stops
        return not stops

    def _complete(self, held: Claimed, known: Mapping[str, Any]) -> None:
        ends = {"state": WorkState.COMPLETED, "progress": 100, "completed_at": self.cloud.clock.now()}
        changes = {**known, **ends, "attempts": 0, "due_on": None, "error": "", "cursor": ""}
        self._write(held, changes, self.job.finished(self.run, having(held.item, changes)))
        self._log("complete", held)
        self.counts["completed"] += 1

    def _put_off(self, held: Claimed, why: str) -> None:
        # A piece that went well before it in this run has set the count back.
        number = max(held.item.attempts, 1)
        delay = self.job.delays.delay(number)
        if delay is None and not self.job.persistent:
            self._fail(held, why)
            return
        at = self.cloud.clock.now() + timedelta(seconds=self.job.delays.delays[-1] if delay is None else delay)
        self._write(held, {"due_on": at, "attempts": number, "error": redaction.excerpt(why, LONGEST_ERROR)})
        self._log("put_off", held, why)
        self.counts["put_off"] += 1

    def _fail(self, held: Claimed, why: str) -> None:
        ends = {"state": WorkState.FAILED, "failed_at": self.cloud.clock.now(), "due_on": None}
        changes = {**ends, "error": redaction.excerpt(why, LONGEST_ERROR)}
        self._write(held, changes, self.job.failed(self.run, having(held.item, changes)))
        self._log("failed", held, why)
        self.counts["failed"] += 1

    def _write(self, held: Claimed, changes: Mapping[str, Any], along: Sequence[Any] = ()) -> None:
        """Only while the row is as it was read; raises Moved."""
        item = having(held.item, changes)
        marks = {name: held.row[name] for name in MARKS if name != FAULT and name in held.row}
        after = {**marks, **item.item()}
        if not update_if_unchanged(self.cloud, self.job.table, held.row, after, (self.index.sk,), along):
            raise ConcurrentChange
        held.row, held.item = after, item

    def _away(self) -> datetime:
        """Until when nobody else takes it, whatever becomes of this run."""
        return self.run.deadline + timedelta(seconds=60)

    def _log(self, word: str, held: Claimed, error: str = "") -> None:
        item = held.item
        told = {"user": item.user, "entityId": item.id, "step": "error" if error else item.step}
        say = self.run.log.error if error else self.run.log.info
        say(f"{self.job.name}_{word}", **told, status=item.state.upper(), percentage=item.progress, error=error or None)
