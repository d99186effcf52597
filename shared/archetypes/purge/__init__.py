"""Purge: delete expired rows, which an index by age finds.

Where declared, their owners are warned first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any

from shared.archetypes.purge import cutoff
from shared.archetypes.purge.counts import PurgeCounts
from shared.archetypes.purge.definition import PurgeDefinition
from shared.archetypes.purge.dependents import Dependents
from shared.archetypes.purge.runner import PurgeRun
from shared.aws import permissions
from shared.aws.permissions import Grant
from shared.job.action import Action
from shared.job.outcome import Done, Outcome, Refused
from shared.job.setting import Setting
from shared.plans import brake, draft
from shared.run.context import RunContext
from shared.store import keys, watermark
from shared.store.age_index import ExpiredRows, Row
from shared.tables import STATE

__all__ = ["Dependents", "Purge", "Row"]


class Purge(PurgeDefinition, archetype=True):
    """Delete rows that are `keep` old by the tick's time."""

    @classmethod
    def all_settings(cls) -> tuple[Setting, ...]:
        return (*super().all_settings(), *cutoff.all_settings(cls))

    @classmethod
    def grants(cls) -> tuple[Grant, ...]:
        ledger = keys.ledger(cls.name)
        own = (permissions.read_rows(STATE.name, ledger), permissions.write_rows(STATE.name, ledger))
        dependents = Dependents(cls.objects, cls.along)
        marks = cls.warn is not None or (cls.holds and dependents)
        grant = permissions.write_rows if marks else permissions.delete_rows
        # Without an index the job grants the keys of its rows itself.
        table = (permissions.read_rows(cls.table.name), grant(cls.table.name)) if cls.index else ()
        waits = (watermark.reading(cls.behind),) if cls.behind else ()
        return (*super().grants(), *own, *permissions.alerting(), *table, *dependents.grants(), *waits)

    def cutoff(self, run: RunContext) -> datetime:
        """Rows of this age or older are due.

        Raises SettingError if the retention leaves no time for the warning.
        """
        return cutoff.cutoff(type(self), run)

    def work(self, run: RunContext) -> Outcome:
        purge = PurgeRun(self, run, PurgeCounts(run.cap))
        phases = purge.phases()
        # The continuation of a tick was approved with its first part.
        before: Mapping[str, Any] = (run.checkpoint or {}) if run.firing.part else {}
        approved: Refused | bool = before.get("approved", False)
        # The tick was checked and measured as a whole before it started its shards.
        if run.firing.part == 0 and not run.in_shard:
            most: int = run.setting(f"{self.env}_MOST_ROWS")
            approved = brake.check(run, [rows for _, rows in phases], most, self.few)
            if not isinstance(approved, Refused) and (started := self._start_shards(run, phases, approved)):
                return started
        if isinstance(approved, Refused):
            return approved
        purge.execute((verb, expired.rows()) for verb, expired in phases)
        size = purge.counts.words["purged"] + before.get("size", 0)
        if size and not run.in_shard:
            brake.record_size(run, size)
        if approved and not purge.counts.more:
            brake.clear_approval(run)
        return self._done(purge.counts, {"size": size, "approved": approved} if purge.counts.more else None)

    def _start_shards(self, run: RunContext, phases: list[tuple[str, ExpiredRows]], approved: bool) -> Done | None:
        """Start the shards that the expired rows need.

        None where one run is enough.
        """
        if not run.may_start_shards:
            return None
        most = max(self.shards * self.shard_items, run.setting(f"{self.env}_MOST_ROWS"))
        size = sum(rows.size(most) for _, rows in phases)
        started = run.start_shards(size)
        if started:
            brake.record_size(run, size)
            if approved:
                brake.clear_approval(run)
        return started

    def plan(self, run: RunContext) -> list[str]:
        with draft.from_actions(self.actions(run)) as drafted:
            return drafted.lines()

    def actions(self, run: RunContext) -> Iterator[Action]:
        for verb, row in PurgeRun(self, run, PurgeCounts(sys.maxsize)).planned():
            values = [row.item.get(name) for name in self.planned_attributes()]
            yield Action(verb, [row.pk, row.sk], [row.partition, row.since, *values], self.describe(row))

    def apply(self, run: RunContext, actions: Iterator[Action]) -> Outcome:
        before: int = (run.checkpoint or {}).get("done", 0)
        purge = PurgeRun(self, run, PurgeCounts(sys.maxsize))
        verbs = groupby(actions, key=lambda action: action.verb)
        purge.execute((verb, map(self._planned_row, group)) for verb, group in verbs)
        return self._done(purge.counts, {"done": before + purge.counts.taken} if purge.counts.more else None)

    def _planned_row(self, action: Action) -> Row:
        """The row as the index showed it when the plan was made."""
        (pk, sk), (partition, since, *values) = action.id, action.version
        return Row(pk, sk, partition, since, dict(zip(self.planned_attributes(), values, strict=True)))

    def _done(self, counts: PurgeCounts, checkpoint: Mapping[str, int | bool] | None) -> Done:
        by_word = {word: count for word, count in counts.words.items() if count or word == "purged"}
        unwarned = counts.words["unwarned"]
        note = f"{unwarned:,} warnings failed; their rows stay until a warning is sent" if unwarned else ""
        return Done(by_word or {"purged": 0}, ok=not unwarned, note=note, checkpoint=checkpoint)
