"""Attempts what has become due, thing by thing; each is settled, comes again at an instant, or is given up."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from shared import clock
from shared.aws import permissions
from shared.aws.permissions import Grant
from shared.job import retry_policies, settings, validation
from shared.job.action import Action
from shared.job.definition import Job
from shared.job.outcome import Done, Outcome
from shared.job.retry import NONE, RetryPolicy
from shared.job.retry import parse as parse_retry
from shared.job.settings import Setting
from shared.plans import draft
from shared.run.context import RunContext
from shared.store import due_index
from shared.store.age_index import Row
from shared.tables import Table

if TYPE_CHECKING:
    from shared.archetypes.sweep.attempt import Attempt, AttemptResult, AttemptVerdict
    from shared.store.batch_get import Key

# Seconds kept back from a run's time for its end.
RESERVE = 5


@dataclass(slots=True)
class SweepCounts:
    """What a run has done. ended: rows that it is done with; more: whether some are left."""

    left: int
    ended: int = 0
    more: bool = False
    counts: Counter[str] = field(default_factory=Counter)


class Sweep(Job, archetype=True):
    """Attempts each row of `table` whose instant in the index `due` has come, by the tick's time; never one earlier.

    record: its model, as `mail.FailedEmail` of shared/records. With `effects`, an attempt is an effect, keyed by the
    item and its number: after a crash its outcome is known, and it is not made again.
    delays: how long after an attempt began the next one is due, the default of `<ENV>_DELAYS`; NONE where `again` says
    so itself. give_up_after: items this much older than `since` are given up, that of `<ENV>_GIVE_UP_AFTER`.
    width: attempts at once; share: those of one `lane`. rate: attempts a second, that of `<ENV>_RATE`; 0 is no limit.
    patience: seconds that one may take. verb: what an attempt is to a plan. looks: tables that items refer to.
    by_name: whether a target is the name of an item, to be attempted now.
    """

    table: ClassVar[Table]
    record: ClassVar[str]
    delays: ClassVar[RetryPolicy] = NONE
    give_up_after: ClassVar[timedelta | None] = None
    width: ClassVar[int] = 8
    share: ClassVar[int] = 2
    rate: ClassVar[int] = 0
    patience: ClassVar[float] = 30
    verb: ClassVar[str] = "change"
    looks: ClassVar[tuple[Table, ...]] = ()
    by_name: ClassVar[bool] = False
    retry: ClassVar[RetryPolicy] = retry_policies.MAINTENANCE
    applicable: ClassVar[bool] = True
    refusals: ClassVar[tuple[validation.Refusal, ...]] = (
        (lambda job: not hasattr(job, "table"), "says not whose rows are due; table = one of shared/tables.py"),
        (
            lambda job: "due" not in {index.name for index in job.table.indexes},
            "table {job.table.name!r} has no index `due`; declare it in shared/tables.py",
        ),
        (
            lambda job: not hasattr(job, "record"),
            "says not what its rows are; record = 'mail.FailedEmail', as it may be",
        ),
        (
            lambda job: job.patience + RESERVE + 5 >= job.timeout,
            "an attempt may take {job.patience} s, which the timeout of {job.timeout} s has no room for",
        ),
        (lambda job: not 1 <= job.share <= job.width, "share is {job.share}; it is at least 1, and at most the width"),
    )

    @classmethod
    def all_settings(cls) -> tuple[Setting, ...]:
        own = []
        if cls.delays.delays:
            meaning = f"How long after one attempt {cls.name} makes the next; after the last one it gives up"
            own.append(Setting(f"{cls.env}_DELAYS", str(cls.delays), meaning, parse_retry))
        if cls.give_up_after is not None:
            meaning = f"How old a thing may be for {cls.name} to still attempt it"
            own.append(settings.span(f"{cls.env}_GIVE_UP_AFTER", cls.give_up_after, meaning))
        if cls.rate:
            own.append(settings.count(f"{cls.env}_RATE", cls.rate, f"The most attempts a second of {cls.name}"))
        return (*super().all_settings(), *own)

    @classmethod
    def grants(cls) -> tuple[Grant, ...]:
        own = (permissions.read_rows(cls.table.name), permissions.update_rows(cls.table.name))
        return (
            *super().grants(),
            *own,
            *permissions.alerting(),
            *(permissions.read_rows(table.name) for table in cls.looks),
        )

    def rows(self, run: RunContext) -> Iterator[Row]:
        """The keys of what is due, the longest due first."""
        return due_index.rows_due(run.cloud, self.table, clock.iso(run.at))

    def refers(self, item: Any) -> Iterable[Key]:
        """Rows of other tables that an attempt at the item looks at; they are read for many items at once."""
        return ()

    def lane(self, item: Any) -> str:
        """Items of one lane share what is slow, say a receiver; empty where it shares nothing."""
        return ""

    def since(self, item: Any) -> datetime:
        """The instant from which `give_up_after` counts."""
        raise NotImplementedError

    def tools(self, run: RunContext) -> AbstractContextManager[Any]:
        """What the attempts of a run share, from many threads: connections, clients, what is known of others."""
        return nullcontext()

    def attempt(self, trial: Attempt) -> AttemptVerdict:
        """Try it once. What it raises leaves open whether anything was done; `NotPerformed` says that nothing was."""
        raise NotImplementedError

    def settled(self, item: Any, end: AttemptResult) -> Mapping[str, Any]:
        """The fields of the item that change; attempts, errors and `end.verdict.noted` are written by themselves."""
        raise NotImplementedError

    def given_up(self, item: Any, end: AttemptResult) -> Mapping[str, Any]:
        """The same for one that is given up."""
        raise NotImplementedError

    def again(self, item: Any, at: datetime) -> Mapping[str, Any]:
        """The same for one that is due again at that instant."""
        return {"next_attempt_at": at}

    def next_at(self, run: RunContext, end: AttemptResult) -> datetime | None:
        """When the item is due again, from the attempt that just failed; None where that was the last."""
        policy: RetryPolicy = run.setting(f"{self.env}_DELAYS")
        delay = policy.delay(end.number)
        return None if delay is None else end.at + timedelta(seconds=delay)

    def along(self, run: RunContext, item: Any, end: AttemptResult) -> Sequence[Any]:
        """Rows that are written with the end of the item or not at all: arguments of PutItem, as notify.put has them.

        Not asked for an item that comes again.
        """
        return ()

    def describe(self, row: Row) -> str:
        """A row in a few words, for the samples of a plan."""
        return f"{row.pk} {row.sk}, due {row.since}"

    def work(self, run: RunContext) -> Outcome:
        tally = SweepCounts(run.cap)
        self._sweep(run, self.rows(run), tally)
        return self._done(tally, {"more": True} if tally.more else None)

    def plan(self, run: RunContext) -> list[str]:
        with draft.of(self.actions(run)) as drafted:
            return drafted.lines()

    def actions(self, run: RunContext) -> Iterator[Action]:
        for row in self.rows(run):
            yield Action(self.verb, [row.pk, row.sk], [row.partition, row.since], self.describe(row))

    def apply(self, run: RunContext, actions: Iterator[Action]) -> Outcome:
        before: int = (run.checkpoint or {}).get("done", 0) if run.firing.part else 0
        tally = SweepCounts(sys.maxsize)
        # In one lane for all, so that what is done is the plan's beginning.
        self._sweep(run, map(_row, actions), tally, lanes=False)
        return self._done(tally, {"done": before + tally.ended} if tally.more else None)

    def _sweep(self, run: RunContext, found: Iterator[Row], tally: SweepCounts, lanes: bool = True) -> None:
        first = next(found, None)
        if first is None:
            return
        # Few ticks find anything due; the others do not pay for the import.
        from shared.archetypes.sweep.runner import SweepRun

        with self.tools(run) as tools:
            SweepRun(self, run, tally, tools, lanes).all(chain((first,), found))

    def _done(self, tally: SweepCounts, checkpoint: Any) -> Done:
        counts = {name: count for name, count in sorted(tally.counts.items()) if count}
        bad = [f"{counts[name]:,} {name}" for name in ("faulty", "failed", "uncertain", "put_off") if name in counts]
        note = f"{', '.join(bad)}; the log says which and why" if bad else ""
        return Done(counts or {"due": 0}, ok=not bad, note=note, checkpoint=checkpoint)


def _row(action: Action) -> Row:
    """As the index showed it when the plan was made."""
    (pk, sk), (partition, since) = action.id, action.version
    return Row(pk, sk, partition, since, {})
