"""One run of a sweep over what is due: read some at a time, attempted side by side, each settled by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.archetypes.sweep.attempt import Attempt, AttemptResult, GaveUp, RetryLater, Succeeded, result_of
from shared.archetypes.sweep.invalid_rows import LONGEST_ERROR, InvalidRows
from shared.concurrency import SLOW_AFTER, Overdue, TimedSemaphore, fan_out_by_lane
from shared.job import duration
from shared.job.effect import InFlight, NotPerformed, UncertainOutcome, fitting
from shared.store.age_index import AgeIndex, Row, read_full_rows
from shared.store.batch_get import Key, batch_get
from shared.store.conditional_update import update_if_unchanged
from shared.store.due_index import index_of
from shared.store.fencing import Fenced
from shared.store.record import FAULT, MARKS, InvalidRecord, Record
from shared.store.throttling import KEYS_AT_ONCE

if TYPE_CHECKING:
    from shared.archetypes.sweep import Sweep, SweepCounts
    from shared.run.context import RunContext

# Threads beyond the width: while so many attempt, these read and write the store.
EXTRA_THREADS = 1.0
# Seconds kept back from a run's time for its end.
RESERVE = 5
# An item whose attempt ended in no known way, or that a person must settle, is looked at again after so long.
PAUSE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Due:
    """An item, as its row was read, and the rows that it refers to."""

    row: Row
    item: Any
    found: Mapping[Key, Mapping[str, Any]]

    @property
    def number(self) -> int:
        """Of the attempt to be made."""
        return getattr(self.item, "attempts", 0) + 1


class SweepRun:
    """lanes: whether items of one lane are held to their share; without it they start in their order."""

    def __init__(self, job: Sweep, run: RunContext, tally: SweepCounts, tools: Any, lanes: bool) -> None:
        self.job = job
        self.run = run
        self.cloud = run.cloud
        self.tally = tally
        self.tools = tools
        self.lanes = lanes
        module, _, name = job.record.rpartition(".")
        self.model: type[Record] = getattr(import_module(module), name)
        self.index = index_of(job.table)
        self.faults = InvalidRows(run, job.table, self.index)
        self.slots = TimedSemaphore(job.width, SLOW_AFTER)
        self.gap = timedelta(seconds=1 / run.setting(f"{job.env}_RATE")) if job.rate else timedelta(0)
        self.turn = self.cloud.clock.now()
        self.picked = 0

    def all(self, found: Iterator[Row]) -> None:
        for each, result in fan_out_by_lane(
            self._one,
            self._due(found),
            lane=lambda each: self.job.lane(each.item) if self.lanes else "",
            width=self.job.width + round(self.job.width * EXTRA_THREADS),
            share=self.job.share,
            patience=self.job.patience,
            remaining=self._remaining,
        ):
            self.tally.ended += 1
            self.run.spend(items=1)
            if isinstance(result, BaseException) and (isinstance(result, Fenced) or not isinstance(result, Exception)):
                raise result
            self._tell(each, result)
        self.tally.more = self.tally.ended < self.picked or next(found, None) is not None

    def _remaining(self) -> float:
        return self.run.room() - RESERVE

    def _due(self, found: Iterator[Row]) -> Iterator[Due]:
        """What may be attempted, no faster than the rate; what may not is dealt with on the way."""
        while chunk := list(islice(found, min(KEYS_AT_ONCE, self.tally.left))):
            self.tally.left -= len(chunk)
            self.picked += len(chunk)
            full = {
                (row.pk, row.sk): row for row in read_full_rows(self.cloud, AgeIndex(self.job.table, self.index), chunk)
            }
            items = {key: item for key, row in full.items() if (item := self._read(row)) is not None}
            referred = batch_get(self.cloud, [key for item in items.values() for key in self.job.refers(item)])
            for row in chunk:
                item = items.get((row.pk, row.sk))
                if item is None:
                    self.tally.ended += 1
                    self.tally.counts["moved"] += (row.pk, row.sk) not in full
                    continue
                if not self._take_turn():
                    return
                yield Due(full[row.pk, row.sk], item, referred)

    def _take_turn(self) -> bool:
        """Wait until the rate allows one more; False where time is too short for that."""
        now = self.cloud.clock.now()
        wait = (self.turn - now).total_seconds()
        if self.gap and wait > 0:
            if wait + self.job.patience >= self._remaining():
                return False
            self.cloud.clock.sleep(wait)
        self.turn = max(self.turn, now) + self.gap
        return True

    def _read(self, row: Row) -> Record | None:
        """The item; None where there is nothing to attempt: it cannot be read, or its index was behind its fields."""
        try:
            item = self.model.of(row.item, self.cloud.clock.now())
        except InvalidRecord as error:
            self.faults.quarantine(row, str(error))
            self.tally.counts["faulty"] += 1
            return None
        place = item.places()
        if (place.get(self.index.pk), place.get(self.index.sk)) != (row.partition, row.since):
            self._amend(row, item.item())
            self.tally.counts["straightened"] += 1
            return None
        return item

    def _one(self, due: Due) -> tuple[str, str]:
        """Attempt it, then settle it; in a word what became of it, and why."""
        try:
            end = self._final(self._ended(due))
            return (end.verdict.word if self._settle(due, end) else "moved"), end.why
        except InFlight as error:
            return "in_flight", str(error)
        except UncertainOutcome as error:
            self._postpone(due)
            return "uncertain", str(error)
        except NotPerformed as error:
            return "put_off", str(error)
        except Fenced:
            raise
        except Exception:
            # Also where its end could not be written: what is wrong with it is not looked at every minute.
            self._postpone(due)
            raise

    def _ended(self, due: Due) -> AttemptResult:
        over = self._over(due)
        if over:
            return AttemptResult(GaveUp(over), due.number - 1, self.cloud.clock.now())
        if self.job.effects is None:
            return self._attempt(due, "")
        key = fitting(f"{due.item.user}#{due.item.id}#{due.number}")
        data = self.run.effect(key, lambda token: self._attempt(due, token).data())
        return result_of(data, due.number, self.cloud.clock.now())

    def _attempt(self, due: Due, token: str) -> AttemptResult:
        with self.slots.hold():
            at = self.cloud.clock.now()
            # Whoever has waited for a place, or was frozen in it, may be past the lease.
            if at >= self.run.deadline:
                raise NotPerformed(f"{self.job.name}: the run's time was up before {due.item.id!r} was attempted")
            trial = Attempt(self.run, due.item, due.number, at, token, due.found, self.tools)
            return AttemptResult(self.job.attempt(trial), due.number, at)

    def _over(self, due: Due) -> str:
        """Why no more attempts are made; empty where one is."""
        job = self.job
        if job.delays.delays and due.number > (most := self.run.setting(f"{job.env}_DELAYS").attempts):
            return f"all {most} attempts are used up"
        if job.give_up_after is not None:
            limit: timedelta = self.run.setting(f"{job.env}_GIVE_UP_AFTER")
            if self.run.at - job.since(due.item) > limit:
                return f"it is older than {duration.text(limit)}"
        return ""

    def _final(self, end: AttemptResult) -> AttemptResult:
        """The last attempt that fails is the end of it."""
        if isinstance(end.verdict, RetryLater) and self.job.next_at(self.run, end) is None:
            return replace(end, verdict=GaveUp(end.why, end.verdict.noted))
        return end

    def _settle(self, due: Due, end: AttemptResult) -> bool:
        """Write down what came of it, once; False where the row has moved on meanwhile."""
        job, item, said = self.job, due.item, end.verdict
        along: Sequence[Any] = ()
        if isinstance(said, RetryLater):
            at = job.next_at(self.run, end)
            assert at is not None
            changes = job.again(item, max(at, end.at + timedelta(seconds=said.wait)))
        else:
            changes = job.settled(item, end) if isinstance(said, Succeeded) else job.given_up(item, end)
            along = job.along(self.run, item, end)
        known: dict[str, Any] = {"attempts": end.number, **said.noted}
        if not isinstance(said, Succeeded):
            known["last_error"] = redaction.excerpt(end.why, LONGEST_ERROR)
        fields = type(item).model_fields
        return self._write(
            due.row, {name: value for name, value in known.items() if name in fields} | dict(changes), along
        )

    def _postpone(self, due: Due) -> None:
        """To look at it later: the same attempt, at another time, so that others have theirs until then."""
        self._write(due.row, self.job.again(due.item, self.cloud.clock.now() + PAUSE))

    def _write(self, row: Row, changes: Mapping[str, Any], along: Sequence[Any] = ()) -> bool:
        if not changes:
            return False
        item = having(self.model.of(row.item), changes)
        return self._amend(row, item.item(), along)

    def _amend(self, row: Row, after: Mapping[str, Any], along: Sequence[Any] = ()) -> bool:
        marks = {name: row.item[name] for name in MARKS if name != FAULT and name in row.item}
        return update_if_unchanged(self.cloud, self.job.table, row.item, {**marks, **after}, (self.index.sk,), along)

    def _tell(self, due: Due, result: tuple[str, str] | BaseException) -> None:
        """One line for each item, with its outcome."""
        log, name, counts = self.run.log, f"{self.job.name}_item", self.tally.counts
        told: dict[str, Any] = {**self._named(due.row), "attempt": due.number}
        if isinstance(result, BaseException):
            word = "overdue" if isinstance(result, Overdue) else "failed"
            log.error(name, **told, status=word, error=f"{type(result).__name__}: {result}")
        else:
            word, why = result
            log.info(name, **told, status=word, note=redaction.excerpt(why, redaction.LONG))
        counts[word] += 1

    def _named(self, row: Row) -> dict[str, str]:
        return {"user": row.pk, "entityId": row.sk}


def having(item: Record, changes: Mapping[str, Any]) -> Record:
    """The item with other values in some fields: as it has them or as JSON data; None takes one away.

    Raises InvalidRecord.
    """
    new = {name: clock.iso(value) if isinstance(value, datetime) else value for name, value in changes.items()}
    data = {**item.model_dump(mode="json"), **new}
    return type(item).read({name: value for name, value in data.items() if value is not None})
