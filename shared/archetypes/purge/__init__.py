"""Deletes what has become old enough: by an index, in batches, never without the warning that is owed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby, islice
from typing import Any, ClassVar

from shared import clock, redaction
from shared.archetypes.purge import cutoff, warnings
from shared.archetypes.purge.counts import PurgeCounts
from shared.archetypes.purge.dependents import Dependents
from shared.aws import permissions
from shared.aws.names import NO_TARGET, STATE
from shared.aws.permissions import Grant
from shared.concurrency import fan_out
from shared.job import retry_policies, validation
from shared.job.action import Action
from shared.job.definition import Job
from shared.job.effect import fitting
from shared.job.outcome import Done, Outcome, Refused
from shared.job.retry import RetryPolicy
from shared.job.settings import Setting
from shared.plans import brake, draft
from shared.run.context import RunContext
from shared.store import watermark
from shared.store.age_index import AgeIndex, ExpiredRows, Row, read_full_rows
from shared.store.bulk_delete import BulkDeleter
from shared.tables import Index, Table

DELETE, SEND = "delete", "send"
# Rows that are read, archived and handed on together.
CHUNK = 500
# Seconds left at which no further chunk is begun: what is on its way gets done, and the outcome is written.
RESERVE = 10
# Warnings at once, and the seconds that one may take.
WARNINGS = 8
PATIENCE = 30
# Rows that stay are named in the log, a few of them.
NAMED = 20


Phases = Iterable[tuple[str, Iterable[Row]]]


class Purge(Job, archetype=True):
    """Deletes rows that are `keep` old, counted in the tick's time; a row is due at that very instant.

    table, index: whose rows, and the index that has them by age (see tables.Index); index "" is the table's own key,
    for a table whose sort keys begin with an instant, and then `partitions` says which partitions to look at.
    keep: the default of the setting `<ENV>_KEEP`. kinds: how long rows in partitions of a kind are kept instead, the
    defaults of `<ENV>_KEEP_<KIND>`. most: rows a tick may delete unasked, that of `<ENV>_MOST_ROWS`; few: rows that are
    never unusual; brake.py says what is in between.
    warn: a row's owner is warned so long before; then the row ages from the warning, and goes when that is as old.
    holds: attributes in the index that a row must still have as read when it is deleted; a call for each row.
    reads: attributes that hooks look at, in the index. whole: hooks get rows with all attributes, read once more.
    objects, along: what hangs on a row and goes before it; see hanging.py. The index includes the objects' attributes.
    keeps_with: another purge, whose `<ENV>_KEEP` holds here too. longer: what is added to that.
    behind: the name of a job; what its watermark has not passed stays, however old.
    """

    table: ClassVar[Table]
    index: ClassVar[str] = "aged"
    keep: ClassVar[timedelta]
    kinds: ClassVar[Mapping[str, timedelta]] = {}
    warn: ClassVar[timedelta | None] = None
    most: ClassVar[int] = 100_000
    few: ClassVar[int] = 50
    holds: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[tuple[str, ...]] = ()
    whole: ClassVar[bool] = False
    objects: ClassVar[Mapping[str, str]] = {}
    along: ClassVar[tuple[Table, ...]] = ()
    keeps_with: ClassVar[type[Purge] | None] = None
    longer: ClassVar[timedelta] = timedelta(0)
    behind: ClassVar[str] = ""
    cap: ClassVar[int] = 1_000_000
    memory: ClassVar[int] = 512
    retry: ClassVar[RetryPolicy] = retry_policies.MAINTENANCE
    applicable: ClassVar[bool] = True
    refusals: ClassVar[tuple[validation.Refusal, ...]] = validation.OF_PURGE

    @classmethod
    def all_settings(cls) -> tuple[Setting, ...]:
        return (*super().all_settings(), *cutoff.all_settings(cls))

    @classmethod
    def grants(cls) -> tuple[Grant, ...]:
        ledger = f"ledger#{cls.name}"
        own = (permissions.read_rows(STATE, ledger), permissions.write_rows(STATE, ledger))
        told = permissions.alerting()
        # Without an index it is the job that knows the keys of its rows.
        hanging = Dependents(cls.objects, cls.along)
        marks = cls.warn is not None or (cls.holds and hanging)
        given = permissions.write_rows if marks else permissions.delete_rows
        table = (permissions.read_rows(cls.table.name), given(cls.table.name)) if cls.index else ()
        waits = (watermark.reading(cls.behind),) if cls.behind else ()
        return (*super().grants(), *own, *told, *table, *hanging.grants(), *waits)

    def partitions(self, run: RunContext) -> Sequence[str]:
        """Of the table, where there is no index that knows its own."""
        raise NotImplementedError

    def spare(self, run: RunContext, row: Row) -> str:
        """Why a row that is old enough stays all the same; empty where it does not."""
        return ""

    def spares(self, run: RunContext, rows: Sequence[Row]) -> Sequence[str]:
        """The same for some hundred rows: for a job that must look elsewhere to know, at many rows a call."""
        return [self.spare(run, row) for row in rows]

    def archive(self, run: RunContext, rows: Sequence[Row]) -> None:
        """Keep what must outlive these rows; they are deleted once it returns.

        It is called with up to 500 rows at a time, and again with the same ones where a run dies in between.
        """

    def warning(self, row: Row) -> Any:
        """What the row's owner is told before it is deleted; the row has all its attributes."""
        raise NotImplementedError

    def send(self, run: RunContext, message: Any, token: str) -> Any:
        """Send a warning with its idempotency token; `RunContext.effect` lists what it may raise."""
        raise NotImplementedError

    def describe(self, row: Row) -> str:
        """A row in a few words, for the samples of a plan."""
        return f"{row.pk} {row.sk}" if row.since.startswith(row.sk) else f"{row.pk} {row.sk} of {row.since}"

    def cutoff(self, run: RunContext) -> datetime:
        """Rows of that instant and before are due. Raises SettingError where nobody could be warned in time."""
        return cutoff.cutoff(type(self), run)

    def work(self, run: RunContext) -> Outcome:
        phases = self._phases(run)
        # What continues a tick was let pass at its beginning.
        before: Mapping[str, Any] = (run.checkpoint or {}) if run.firing.part else {}
        passed: Refused | bool = before.get("approved", False)
        if run.firing.part == 0:
            most: int = run.setting(f"{self.env}_MOST_ROWS")
            passed = brake.check(run, [aged for _, aged in phases], most, self.few)
        if isinstance(passed, Refused):
            return passed
        tally = PurgeCounts(run.cap)
        self._do(run, ((verb, aged.rows()) for verb, aged in phases), tally)
        size = tally.counts["purged"] + before.get("size", 0)
        if size:
            brake.remember(run, size)
        if passed and not tally.more:
            brake.forget(run)
        return self._done(tally, {"size": size, "approved": passed} if tally.more else None)

    def plan(self, run: RunContext) -> list[str]:
        with draft.of(self.actions(run)) as drafted:
            return drafted.lines()

    def actions(self, run: RunContext) -> Iterator[Action]:
        tally = PurgeCounts(sys.maxsize)
        for verb, aged in self._phases(run):
            found = aged.rows()
            while chunk := list(islice(found, CHUNK)):
                for row in self._going(run, chunk, tally):
                    held = [row.item.get(name) for name in self._noted()]
                    yield Action(verb, [row.pk, row.sk], [row.partition, row.since, *held], self.describe(row))

    def apply(self, run: RunContext, actions: Iterator[Action]) -> Outcome:
        before: int = (run.checkpoint or {}).get("done", 0) if run.firing.part else 0
        tally = PurgeCounts(sys.maxsize)
        verbs = groupby(actions, key=lambda action: action.verb)
        self._do(run, ((verb, map(self._row, group)) for verb, group in verbs), tally)
        return self._done(tally, {"done": before + tally.taken} if tally.more else None)

    def _phases(self, run: RunContext) -> list[tuple[str, ExpiredRows]]:
        phases: list[tuple[str, ExpiredRows]] = []
        index, aged = self._index(), partial(ExpiredRows, run.cloud, self._source())
        for kind in ("", *self.kinds):
            due, found = (
                cutoff.cutoff(type(self), run, kind),
                index.partitions(kind) if index else self.partitions(run),
            )
            if self.shards > 1 and run.target != NO_TARGET:
                found = found[int(run.target) :: self.shards]
            if self.warn is None:
                phases.append((DELETE, aged(found, clock.iso(due))))
                continue
            phases.append((SEND, aged(found, clock.iso(due + self.warn))))
            phases.append((DELETE, aged(warnings.partitions(found), clock.iso(run.at - self.warn))))
        return phases

    def _do(self, run: RunContext, phases: Phases, tally: PurgeCounts) -> None:
        for verb, found in phases:
            match verb:
                case "send":
                    self._warn(run, found, tally)
                case "delete":
                    self._erase(run, found, tally)

    def _erase(self, run: RunContext, found: Iterable[Row], tally: PurgeCounts) -> None:
        hanging = Dependents(self.objects, self.along)
        first = partial(hanging.delete, run.cloud) if hanging else None
        with BulkDeleter(run.cloud, self.table, self._held(), first) as eraser:
            for chunk in self._chunks(run, found, tally):
                going = self._going(run, chunk, tally)
                if going:
                    run.spend(items=len(going))
                    self.archive(run, going)
                    eraser.add(going)
        tally.counts["purged"] += eraser.gone
        tally.counts["moved"] += eraser.moved

    def _warn(self, run: RunContext, found: Iterable[Row], tally: PurgeCounts) -> None:
        at = warnings.instant(run)
        for chunk in self._chunks(run, found, tally):
            going = [*read_full_rows(run.cloud, self._source(), self._going(run, chunk, tally))]
            tried = 0
            for row, result in fan_out(
                partial(self._warn_one, run, at), going, width=WARNINGS, patience=PATIENCE, remaining=run.room
            ):
                tried += 1
                run.spend(items=1)
                if isinstance(result, Exception):
                    tally.counts["unwarned"] += 1
                    run.log.error(f"{self.name}_unwarned", key=f"{row.pk} {row.sk}", error=str(result))
                else:
                    tally.counts["warned" if result else "moved"] += 1
            if tried < len(going):
                # Time is short: these are looked at again, and whoever has been warned is not among them then.
                tally.more, tally.taken = True, tally.taken - len(chunk)
                return

    def _warn_one(self, run: RunContext, at: str, row: Row) -> bool:
        """Warn the owner, then let the row age from now on. After a crash in between the effect is known by its key."""
        key = fitting(f"{row.pk}#{row.sk}#{row.since}")
        run.effect(key, partial(self.send, run, self.warning(row)))
        return warnings.mark(run, self._source(), row, at)

    def _chunks(self, run: RunContext, found: Iterable[Row], tally: PurgeCounts) -> Iterator[list[Row]]:
        """The rows, some at a time, until cap or deadline; `tally.more` then says that some are left."""
        found = iter(found)
        while True:
            if tally.left <= 0 or run.room() < RESERVE:
                tally.more = tally.more or next(found, None) is not None
                return
            chunk = list(islice(found, min(CHUNK, tally.left)))
            if not chunk:
                return
            tally.taken += len(chunk)
            yield chunk

    def _going(self, run: RunContext, chunk: Sequence[Row], tally: PurgeCounts) -> list[Row]:
        """Those of the rows that do not stay: by no date that could be read, by `spare`, or because they have moved."""
        # A plan has of each row what must hold when it is deleted, and no more.
        lacking = self.whole or (run.firing.plan and self.reads)
        found = [*read_full_rows(run.cloud, self._source(), chunk)] if lacking else chunk
        found, going = list(found), []
        strays = Dependents(self.objects).misplaced
        for row, spared in zip(found, self.spares(run, found), strict=True):
            why = (spared or strays(row)) if row.dated else f"{row.since!r} is no instant to tell its age by"
            if why:
                tally.counts["spared"] += 1
                if tally.counts["spared"] <= NAMED:
                    run.log.warning(
                        f"{self.name}_spared", key=f"{row.pk} {row.sk}", note=redaction.excerpt(why, redaction.LONG)
                    )
            else:
                going.append(row)
        tally.left -= len(going)
        return going

    def _row(self, action: Action) -> Row:
        """As the index showed it when the plan was made."""
        (pk, sk), (partition, since, *held) = action.id, action.version
        return Row(pk, sk, partition, since, dict(zip(self._noted(), held, strict=True)))

    def _source(self) -> AgeIndex:
        return AgeIndex(self.table, self._index(), tuple(dict.fromkeys((*self._noted(), *self.reads))))

    def _noted(self) -> tuple[str, ...]:
        """What a plan has of a row."""
        return tuple(dict.fromkeys((*self._held(), *self.objects)))

    def _held(self) -> tuple[str, ...]:
        # Whoever was warned may have acted on it: their row stays where it has changed since it was read.
        found = self._index()
        return self.holds or ((found.pk, found.sk) if found and self.warn is not None else ())

    @classmethod
    def _index(cls) -> Index | None:
        return next((index for index in cls.table.indexes if index.name == cls.index), None)

    def _done(self, tally: PurgeCounts, checkpoint: Mapping[str, int | bool] | None) -> Done:
        counts = {name: count for name, count in tally.counts.items() if count or name == "purged"}
        unwarned = tally.counts["unwarned"]
        note = f"{unwarned:,} could not be warned, and stay until they are" if unwarned else ""
        return Done(counts or {"purged": 0}, ok=not unwarned, note=note, checkpoint=checkpoint)
