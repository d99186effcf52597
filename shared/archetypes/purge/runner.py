"""Run of a purge: warn owners of expired rows, delete rows.

Rows are read in chunks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from shared import clock, redaction
from shared.archetypes.purge import cutoff, warnings
from shared.archetypes.purge.dependents import Dependents
from shared.concurrency import fan_out
from shared.job.effect import bounded_key
from shared.store.age_index import AgeIndex, ExpiredRows, Row, read_full_rows
from shared.store.bulk_delete import BulkDeleter

if TYPE_CHECKING:
    from shared.archetypes.purge.counts import PurgeCounts
    from shared.archetypes.purge.definition import PurgeDefinition
    from shared.run.context import RunContext

DELETE, SEND = "delete", "send"
# Rows that are read, archived and deleted together.
CHUNK = 500
# No chunk begins with fewer seconds left: running deletions end, and the outcome is written.
RESERVE = 10
# Concurrent warnings, and the seconds that one may take.
WARNINGS = 8
PATIENCE = 30
# Spared rows that are named in the log.
LOGGED = 20

Phases = Iterable[tuple[str, Iterable[Row]]]


class PurgeRun:
    """One run of a purge."""

    def __init__(self, job: PurgeDefinition, run: RunContext, counts: PurgeCounts) -> None:
        self.job = job
        self.run = run
        self.counts = counts
        read = tuple(dict.fromkeys((*job.planned_attributes(), *job.reads)))
        self.source = AgeIndex(job.table, job.age_index(), read)

    def phases(self) -> list[tuple[str, ExpiredRows]]:
        """Expired rows by verb, in the order of processing.

        First the rows to warn about, then the rows to delete, of each kind.
        """
        job, run = self.job, self.run
        phases: list[tuple[str, ExpiredRows]] = []
        index, expired = job.age_index(), partial(ExpiredRows, run.cloud, self.source)
        for kind in ("", *job.kinds):
            due = cutoff.cutoff(type(job), run, kind)
            partitions = run.partitions(index.partitions(kind) if index else job.partitions(run))
            if job.warn is None:
                phases.append((DELETE, expired(partitions, clock.iso(due))))
                continue
            phases.append((SEND, expired(partitions, clock.iso(due + job.warn))))
            phases.append((DELETE, expired(warnings.partitions(partitions), clock.iso(run.at - job.warn))))
        return phases

    def planned(self) -> Iterator[tuple[str, Row]]:
        """Yield each row to warn about or delete, with the verb."""
        for verb, expired in self.phases():
            rows = expired.rows()
            while chunk := list(islice(rows, CHUNK)):
                for row in self._selected(chunk):
                    yield verb, row

    def execute(self, phases: Phases) -> None:
        """Process the rows of each phase until the cap or the deadline."""
        for verb, rows in phases:
            match verb:
                case "send":
                    self._warn(rows)
                case "delete":
                    self._delete(rows)
            if self.run.firing.plan and self.counts.more:
                # A plan is resumed by the number of its actions that are done, so it is done in its order.
                return

    def _delete(self, rows: Iterable[Row]) -> None:
        job, cloud = self.job, self.run.cloud
        dependents = Dependents(job.objects, job.along)
        first = partial(dependents.delete, cloud) if dependents else None
        with BulkDeleter(cloud, job.table, job.guards(), first) as deleter:
            for chunk in self._chunks(rows):
                selected = self._selected(chunk)
                if selected:
                    self.run.spend(items=len(selected))
                    job.archive(self.run, selected)
                    deleter.add(selected)
        self.counts.words["purged"] += deleter.gone
        self.counts.words["moved"] += deleter.moved

    def _warn(self, rows: Iterable[Row]) -> None:
        run, words = self.run, self.counts.words
        at = warnings.ages_from(run)
        for chunk in self._chunks(rows):
            selected = self._selected(chunk)
            if not self.job.whole:
                selected = [*read_full_rows(run.cloud, self.source, selected)]
            attempted = 0
            for row, result in fan_out(
                partial(self._warn_owner, at), selected, width=WARNINGS, patience=PATIENCE, remaining=run.time_for_more
            ):
                attempted += 1
                run.spend(items=1)
                if isinstance(result, Exception):
                    words["unwarned"] += 1
                    run.log.error(f"{self.job.name}_unwarned", key=f"{row.pk} {row.sk}", error=str(result))
                else:
                    words["warned" if result else "moved"] += 1
            if attempted < len(selected):
                # Out of time: the next part begins with the first row whose owner was not warned.
                first = next(place for place, row in enumerate(chunk) if row.key == selected[attempted].key)
                self.counts.more, self.counts.taken = True, self.counts.taken - len(chunk) + first
                return

    def _warn_owner(self, at: str, row: Row) -> bool:
        """Warn the owner, then let the row age from `at`.

        After a crash the effect's key prevents a second warning.
        """
        key = bounded_key(f"{row.pk}#{row.sk}#{row.since}")
        self.run.effect(key, partial(self.job.send, self.run, self.job.warning(row)))
        return warnings.mark(self.run, self.source, row, at)

    def _chunks(self, rows: Iterable[Row]) -> Iterator[list[Row]]:
        """Yield the rows in chunks until the cap or the deadline.

        Then `counts.more` is set if rows are left.
        """
        rows, counts = iter(rows), self.counts
        while True:
            if counts.left <= 0 or self.run.time_for_more() < RESERVE:
                counts.more = counts.more or next(rows, None) is not None
                return
            chunk = list(islice(rows, min(CHUNK, counts.left)))
            if not chunk:
                return
            counts.taken += len(chunk)
            yield chunk

    def _selected(self, chunk: Sequence[Row]) -> list[Row]:
        """Rows of a chunk to warn about or delete.

        Excluded: rows that are spared, misplaced, gone, or have no valid timestamp.
        """
        job, run = self.job, self.run
        # A plan stores the attributes that must be unchanged at deletion, and no others.
        lacking = job.whole or (run.firing.plan and job.reads)
        rows = [*read_full_rows(run.cloud, self.source, chunk)] if lacking else list(chunk)
        selected = []
        misplaced = Dependents(job.objects).misplaced
        for row, spared in zip(rows, job.spares(run, rows), strict=True):
            why = (spared or misplaced(row)) if row.dated else f"{row.since!r} is no timestamp, so its age is unknown"
            if why:
                self._log_spared(row, why)
            else:
                selected.append(row)
        self.counts.left -= len(selected)
        return selected

    def _log_spared(self, row: Row, why: str) -> None:
        self.counts.words["spared"] += 1
        if self.counts.words["spared"] <= LOGGED:
            note = redaction.excerpt(why, redaction.LONG)
            self.run.log.warning(f"{self.job.name}_spared", key=f"{row.pk} {row.sk}", note=note)
