"""Run of a sweep: attempt due rows concurrently, write each result.

Rows are read in chunks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib import import_module
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.archetypes.sweep.attempt import (
    Attempt,
    AttemptResult,
    Deferred,
    GaveUp,
    RetryLater,
    Succeeded,
    parse_result,
)
from shared.archetypes.sweep.definition import RESERVE
from shared.archetypes.sweep.invalid_rows import LONGEST_ERROR, InvalidRows
from shared.concurrency import SLOW_AFTER, LaneFull, Overdue, TimedSemaphore, fan_out_by_lane
from shared.job import duration
from shared.job.effect import InFlight, NotPerformed, UncertainOutcome, bounded_key
from shared.store.age_index import AgeIndex, Row, read_full_rows
from shared.store.batch_get import Key, batch_get
from shared.store.conditional_update import update_if_unchanged
from shared.store.due_index import index_of
from shared.store.fencing import Fenced
from shared.store.record import FAULT, MARKS, InvalidRecord, Record
from shared.store.throttling import KEYS_AT_ONCE

if TYPE_CHECKING:
    from shared.archetypes.sweep.counts import SweepCounts
    from shared.archetypes.sweep.definition import SweepDefinition
    from shared.run.context import RunContext

# Threads beyond the width, as a share of it: they read and write rows while `width` threads attempt.
EXTRA_THREADS = 1.0
# Delay before an item is looked at again whose attempt failed unexpectedly or has an uncertain outcome.
POSTPONEMENT = timedelta(minutes=10)
# Delay, from the tick, of an item whose attempt was not made: a continuation of the tick finds other items, and the
# next tick finds this one. Each is deferred by STEP more than the one before, so that they stay in order, and are
# attempted in turn if a run can attempt only a few of them.
DEFERRAL, STEP, LONGEST_DEFERRAL = timedelta(seconds=1), timedelta(milliseconds=1), timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class DueItem:
    """Due item: its model, its row, and the rows it references."""

    row: Row
    item: Any
    references: Mapping[Key, Mapping[str, Any]]

    @property
    def number(self) -> int:
        """Number of the next attempt."""
        return getattr(self.item, "attempts", 0) + 1


class SweepRun:
    """One run of a sweep.

    lanes: whether `share` limits the items of one lane; without it items start in their order.
    """

    def __init__(self, job: SweepDefinition, run: RunContext, counts: SweepCounts, tools: Any, lanes: bool) -> None:
        self.job = job
        self.run = run
        self.cloud = run.cloud
        self.counts = counts
        self.tools = tools
        self.lanes = lanes
        module, _, name = job.record.rpartition(".")
        self.model: type[Record] = getattr(import_module(module), name)
        self.index = index_of(job.table)
        self.invalid = InvalidRows(run, job.table, self.index)
        self.slots = TimedSemaphore(job.width, SLOW_AFTER)
        self.interval = timedelta(seconds=1 / run.setting(f"{job.env}_RATE")) if job.rate else timedelta(0)
        self.next_start = self.cloud.clock.now()
        self.read = 0
        self.deferrals = count()

    def attempt_all(self, rows: Iterator[Row]) -> None:
        for due, result in fan_out_by_lane(
            self._attempt_and_write,
            self._due_items(rows),
            lane=lambda due: self.job.lane(due.item) if self.lanes else "",
            width=self.job.width + round(self.job.width * EXTRA_THREADS),
            # Together, the shards of a tick keep to the share.
            share=max(1, self.job.share // max(1, self.run.firing.shards)),
            patience=self.job.patience,
            remaining=self._remaining,
        ):
            self.counts.ended += 1
            if isinstance(result, LaneFull):
                result = self._defer(due, result, Deferred.word)
            elif isinstance(result, Overdue):
                # Its place is for others; a late result is written only before this.
                self._postpone(due)
            self.run.spend(items=1)
            if isinstance(result, BaseException) and (isinstance(result, Fenced) or not isinstance(result, Exception)):
                raise result
            self._log_result(due, result)
        self.counts.more = self.counts.ended < self.read or next(rows, None) is not None

    def _remaining(self) -> float:
        return self.run.time_for_more() - RESERVE

    def _due_items(self, rows: Iterator[Row]) -> Iterator[DueItem]:
        """Yield the items to attempt, at most at the rate.

        Invalid and outdated rows are processed here.
        """
        while chunk := list(islice(rows, min(KEYS_AT_ONCE, self.counts.left))):
            self.counts.left -= len(chunk)
            self.read += len(chunk)
            full = {
                (row.pk, row.sk): row for row in read_full_rows(self.cloud, AgeIndex(self.job.table, self.index), chunk)
            }
            items = {key: item for key, row in full.items() if (item := self._validate(row)) is not None}
            references = batch_get(self.cloud, [key for item in items.values() for key in self.job.references(item)])
            for row in chunk:
                item = items.get((row.pk, row.sk))
                if item is None:
                    self.counts.ended += 1
                    self.counts.words["moved"] += (row.pk, row.sk) not in full
                    continue
                if not self._wait_for_rate():
                    return
                yield DueItem(full[row.pk, row.sk], item, references)

    def _wait_for_rate(self) -> bool:
        """Wait until the rate allows the next attempt.

        False if the run has no time for it.
        """
        now = self.cloud.clock.now()
        wait = (self.next_start - now).total_seconds()
        if self.interval and wait > 0:
            if wait + self.job.patience >= self._remaining():
                return False
            self.cloud.clock.sleep(wait)
        self.next_start = max(self.next_start, now) + self.interval
        return True

    def _validate(self, row: Row) -> Record | None:
        """Item of a row; None if the row is invalid.

        A row is also invalid if its index attributes do not match its fields.
        """
        try:
            item = self.model.from_row(row.item, self.cloud.clock.now())
        except InvalidRecord as error:
            self.invalid.quarantine(row, str(error))
            self.counts.words["faulty"] += 1
            return None
        place = item.index_attributes()
        if (place.get(self.index.pk), place.get(self.index.sk)) != (row.partition, row.since):
            self._update_row(row, item.item())
            self.counts.words["straightened"] += 1
            return None
        return item

    def _attempt_and_write(self, due: DueItem) -> tuple[str, str]:
        """Attempt one item and write its result.

        Returns the outcome word and the reason.
        """
        try:
            result = self._give_up_after_last(self._attempt(due))
            return (result.verdict.word if self._write_result(due, result) else "moved"), result.why
        except InFlight as error:
            return self._defer(due, error, "in_flight", error.seconds)
        except UncertainOutcome as error:
            self._postpone(due)
            return "uncertain", str(error)
        except Deferred as error:
            return self._defer(due, error, Deferred.word, error.wait)
        except NotPerformed as error:
            return self._defer(due, error, "put_off", error.wait)
        except Fenced:
            raise
        except Exception:
            # Also if the result could not be written: a failing item must not take up every minute's run.
            self._postpone(due)
            raise

    def _attempt(self, due: DueItem) -> AttemptResult:
        expired = self._expired(due)
        if expired:
            return AttemptResult(GaveUp(expired), due.number - 1, self.cloud.clock.now())
        if self.job.effects is None:
            return self._attempt_once(due, "")
        # With the time: an item that is closed and queued again under its id has attempts of its own.
        since = clock.iso(self.job.since(due.item))
        key = bounded_key(f"{due.item.user}#{due.item.id}#{since}#{due.number}")
        data = self.run.effect(key, lambda token: self._attempt_once(due, token).data())
        return parse_result(data, due.number, self.cloud.clock.now())

    def _attempt_once(self, due: DueItem, token: str) -> AttemptResult:
        with self.slots.hold():
            at = self.cloud.clock.now()
            # A thread that waited for a slot, or was frozen in it, may be past the lease.
            if at >= self.run.deadline:
                raise NotPerformed(f"{self.job.name}: the run's time was up before {due.item.id!r} was attempted")
            last = self.job.next_at(self.run, AttemptResult(RetryLater(""), due.number, at)) is None
            attempt = Attempt(self.run, due.item, due.number, at, token, due.references, self.tools, last)
            return AttemptResult(self.job.attempt(attempt), due.number, at)

    def _expired(self, due: DueItem) -> str:
        """Reason to end the item without an attempt; empty for none."""
        job = self.job
        if job.delays.delays and due.number > (limit := self.run.setting(f"{job.env}_DELAYS").attempts):
            return f"all {limit} attempts are used up"
        if job.give_up_after is not None:
            age: timedelta = self.run.setting(f"{job.env}_GIVE_UP_AFTER")
            if self.run.at - job.since(due.item) > age:
                return f"it is older than {duration.text(age)}"
        return ""

    def _give_up_after_last(self, result: AttemptResult) -> AttemptResult:
        """GaveUp instead of RetryLater if there is no next attempt."""
        if isinstance(result.verdict, RetryLater) and self.job.next_at(self.run, result) is None:
            return replace(result, verdict=GaveUp(result.why, result.verdict.fields))
        return result

    def _write_result(self, due: DueItem, result: AttemptResult) -> bool:
        """Write the result; False if the row has changed since the read."""
        job, item, verdict = self.job, due.item, result.verdict
        puts: Sequence[Any] = ()
        if isinstance(verdict, RetryLater):
            at = job.next_at(self.run, result)
            assert at is not None
            changes = job.on_retry(item, max(at, result.at + timedelta(seconds=verdict.wait)))
        else:
            changes = job.on_success(item, result) if isinstance(verdict, Succeeded) else job.on_give_up(item, result)
            puts = job.with_puts(self.run, item, result)
        fields: dict[str, Any] = {"attempts": result.number, **verdict.fields}
        if not isinstance(verdict, Succeeded):
            fields["last_error"] = redaction.excerpt(result.why, LONGEST_ERROR)
        known = {name: value for name, value in fields.items() if name in type(item).model_fields}
        return self._change(due, known | dict(changes), puts)

    def _defer(self, due: DueItem, error: Exception, word: str, wait: float = 0) -> tuple[str, str]:
        """Defer an attempt that was not made: its number stays."""
        at = self.run.at + min(DEFERRAL + next(self.deferrals) * STEP, LONGEST_DEFERRAL)
        if wait:
            at = max(at, self.cloud.clock.now() + timedelta(seconds=wait))
        self._change(due, self.job.on_retry(due.item, at))
        return word, str(error)

    def _postpone(self, due: DueItem) -> None:
        """Defer the same attempt, so that other items are attempted first."""
        self._change(due, self.job.on_retry(due.item, self.cloud.clock.now() + POSTPONEMENT))

    def _change(self, due: DueItem, changes: Mapping[str, Any], puts: Sequence[Any] = ()) -> bool:
        if not changes:
            return False
        return self._update_row(due.row, due.item.with_changes(changes).item(), puts)

    def _update_row(self, row: Row, after: Mapping[str, Any], puts: Sequence[Any] = ()) -> bool:
        marks = {name: row.item[name] for name in MARKS if name != FAULT and name in row.item}
        return update_if_unchanged(self.cloud, self.job.table, row.item, {**marks, **after}, (self.index.sk,), puts)

    def _log_result(self, due: DueItem, result: tuple[str, str] | BaseException) -> None:
        """Log one line per item with its outcome."""
        log, event = self.run.log, f"{self.job.name}_item"
        fields: dict[str, Any] = {"user": due.row.pk, "entityId": due.row.sk, "attempt": due.number}
        if isinstance(result, BaseException):
            word = "overdue" if isinstance(result, Overdue) else "failed"
            log.error(event, **fields, status=word, error=f"{type(result).__name__}: {result}")
        else:
            word, why = result
            log.info(event, **fields, status=word, note=redaction.excerpt(why, redaction.LONG))
        self.counts.words[word] += 1
