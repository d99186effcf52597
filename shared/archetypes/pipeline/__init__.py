"""Takes what was asked for through named steps, piece by piece; whatever dies goes on from the last piece."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from shared import clock
from shared.aws import permissions
from shared.aws.permissions import Grant
from shared.job import retry_policies, validation
from shared.job.definition import Job
from shared.job.outcome import Done, Outcome
from shared.job.retry import RetryPolicy
from shared.run.context import RunContext
from shared.store import due_index
from shared.tables import Table


@dataclass(frozen=True, slots=True)
class Continue:
    """A piece is done and the step goes on from `cursor`. share: how far it is, 0 to 1. at: not before this instant.

    noted: fields of the row that change with it.
    """

    cursor: str
    share: float = 0
    at: datetime | None = None
    noted: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepDone:
    """The step is done; the next begins at `cursor`. noted: fields of the row that change with it."""

    noted: Mapping[str, Any] = field(default_factory=dict)
    cursor: str = ""


class RequestRefused(Exception):
    """Raised by a step for what can never be done: the request has failed, and says why."""


class Pipeline(Job, archetype=True):
    """Works on the rows of `table` that are due, one after the other, each through all of `steps`.

    record: its model, as `accounts.Export`; it has the fields of a request, see shared/product/records/accounts.py.
    steps: their names, in order, and how many percent are done at the end of each. A step is a method of that name: it
    is given the run and the row as its model, does one piece from `item.cursor` on, some seconds' worth, and returns
    More or Over. It may be called again for a piece that it had done, where a run died before that was written down.
    delays: after pieces that fail, or die. `persistent`: the last of them repeats; else the request has failed then.
    """

    table: ClassVar[Table]
    record: ClassVar[str]
    steps: ClassVar[Mapping[str, int]]
    delays: ClassVar[RetryPolicy] = retry_policies.WEBHOOK_ITEM
    persistent: ClassVar[bool] = False
    timeout: ClassVar[int] = 900
    memory: ClassVar[int] = 512
    cap: ClassVar[int] = 100
    retry: ClassVar[RetryPolicy] = retry_policies.MAINTENANCE
    refusals: ClassVar[tuple[validation.Refusal, ...]] = (
        (
            lambda job: not all(hasattr(job, name) for name in ("table", "record", "steps")),
            "says not what it works on: table, record and steps",
        ),
        (
            lambda job: "due" not in {index.name for index in job.table.indexes},
            "table {job.table.name!r} has no index `due`; declare it in shared/tables.py",
        ),
        (
            lambda job: [name for name in job.steps if not callable(getattr(job, name, None))],
            "has no method for each of its steps {job.steps}",
        ),
        (
            lambda job: [*job.steps.values()] != sorted({*job.steps.values()}) or [*job.steps.values()][-1:] != [100],
            "has the steps {job.steps}; their percents must rise, and end at 100",
        ),
        (
            lambda job: job.persistent and not job.delays.delays,
            "goes on for ever, and its delays are none; say how long it waits in between",
        ),
        (lambda job: job.timeout < 60, "timeout is {job.timeout} s; a piece needs some, so give it 60"),
    )

    @classmethod
    def grants(cls) -> tuple[Grant, ...]:
        own = (permissions.read_rows(cls.table.name), permissions.update_rows(cls.table.name))
        return (*super().grants(), *own, *permissions.alerting())

    def finished(self, run: RunContext, item: Any) -> Sequence[Any]:
        """Rows that are written with the end of a request or not at all: arguments of PutItem, as notify.put has them.

        The item is as it will be.
        """
        return ()

    def failed(self, run: RunContext, item: Any) -> Sequence[Any]:
        """The same for one that has failed."""
        return ()

    def work(self, run: RunContext) -> Outcome:
        found = self._due(run)
        first = next(found, None)
        if first is None:
            return Done({"due": 0})
        # Few ticks find anything due; the others do not pay for the import.
        from shared.archetypes.pipeline.runner import PipelineRun

        piped = PipelineRun(self, run)
        piped.all(first, found)
        counts = Counter({name: count for name, count in piped.counts.items() if count})
        bad = [f"{counts[name]:,} {name}" for name in ("faulty", "failed", "put_off") if counts[name]]
        note = f"{', '.join(bad)}; the log says which and why" if bad else ""
        return Done(counts, ok=not bad, note=note, checkpoint={"more": True} if piped.more else None)

    def plan(self, run: RunContext) -> list[str]:
        return [f"go on with {row.pk} {row.sk}, due {row.since}" for row in self._due(run)]

    def _due(self, run: RunContext) -> Iterator[Any]:
        # What an earlier part of this tick let go of became due after the tick.
        return due_index.rows_due(run.cloud, self.table, clock.iso(max(run.at, run.started)))


class WorkState(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
