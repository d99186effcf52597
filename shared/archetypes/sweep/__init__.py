"""Sweep: attempt each due row until it succeeds or is abandoned."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from shared.archetypes.sweep.attempt import (
    Attempt,
    AttemptResult,
    AttemptVerdict,
    Deferred,
    GaveUp,
    RetryLater,
    Succeeded,
)
from shared.archetypes.sweep.counts import SweepCounts
from shared.archetypes.sweep.definition import SweepDefinition
from shared.job.action import Action
from shared.job.outcome import Done, Outcome
from shared.plans import draft
from shared.run.context import RunContext
from shared.store.age_index import Row
from shared.store.batch_get import Key

__all__ = [
    "Attempt",
    "AttemptResult",
    "AttemptVerdict",
    "Deferred",
    "GaveUp",
    "Key",
    "RetryLater",
    "Row",
    "Succeeded",
    "Sweep",
]


class Sweep(SweepDefinition, archetype=True):
    """Attempt each due row of `table` and write the result.

    A row is due by the tick's time.

    With `effects` declared, an attempt is an effect, keyed by item and attempt number: after a crash its outcome is
    known and the attempt is not repeated.
    """

    def work(self, run: RunContext) -> Outcome:
        counts, rows = SweepCounts(run.cap), self.rows(run)
        if run.may_start_shards:
            # Keys only; they are attempted by this run where they are few.
            first = list(islice(rows, self.shards * self.shard_items))
            if started := run.start_shards(len(first)):
                return started
            rows = chain(first, rows)
        self._sweep(run, rows, counts)
        return self._done(counts, {"more": True} if counts.more else None)

    def plan(self, run: RunContext) -> list[str]:
        with draft.from_actions(self.actions(run)) as drafted:
            return drafted.lines()

    def actions(self, run: RunContext) -> Iterator[Action]:
        for row in self.rows(run):
            yield Action(self.verb, [row.pk, row.sk], [row.partition, row.since], self.describe(row))

    def apply(self, run: RunContext, actions: Iterator[Action]) -> Outcome:
        before: int = (run.checkpoint or {}).get("done", 0)
        counts = SweepCounts(sys.maxsize)
        # Without lanes items start in the plan's order, so that a count of them is enough for a checkpoint.
        self._sweep(run, map(_planned_row, actions), counts, lanes=False)
        return self._done(counts, {"done": before + counts.ended} if counts.more else None)

    def _sweep(self, run: RunContext, rows: Iterator[Row], counts: SweepCounts, lanes: bool = True) -> None:
        first = next(rows, None)
        if first is None:
            return
        # Imported lazily: most ticks find nothing due.
        from shared.archetypes.sweep.runner import SweepRun

        with self.tools(run) as tools:
            SweepRun(self, run, counts, tools, lanes).attempt_all(chain((first,), rows))

    def _done(self, counts: SweepCounts, checkpoint: Any) -> Done:
        by_word = {word: count for word, count in sorted(counts.words.items()) if count}
        bad = [f"{by_word[word]:,} {word}" for word in ("faulty", "failed", "uncertain", "put_off") if word in by_word]
        note = f"{', '.join(bad)}; see the log for the items and reasons" if bad else ""
        return Done(by_word or {"due": 0}, ok=not bad, note=note, checkpoint=checkpoint)


def _planned_row(action: Action) -> Row:
    """The row as the index showed it when the plan was made."""
    (pk, sk), (partition, since) = action.id, action.version
    return Row(pk, sk, partition, since, {})
