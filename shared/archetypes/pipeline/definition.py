"""Declaration of a pipeline: attributes, step results, hooks and their rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from shared.aws import permissions
from shared.aws.permissions import Grant
from shared.job import retry_policies, validation
from shared.job.definition import Job
from shared.job.retry import RetryPolicy
from shared.tables import Table

if TYPE_CHECKING:
    from shared.run.context import RunContext

RULES: tuple[validation.Rule, ...] = (
    (
        lambda job: not all(hasattr(job, name) for name in ("table", "record", "steps")),
        "lacks one of table, record and steps",
    ),
    (
        lambda job: "due" not in {index.name for index in job.table.indexes},
        "table {job.table.name!r} has no index `due`; declare it in shared/tables.py",
    ),
    (
        lambda job: [name for name in job.steps if not callable(getattr(job, name, None))],
        "lacks a method for at least one of its steps {job.steps}",
    ),
    (
        lambda job: [*job.steps.values()] != sorted({*job.steps.values()}) or [*job.steps.values()][-1:] != [100],
        "has the steps {job.steps}; their percentages must increase and end at 100",
    ),
    (
        lambda job: job.persistent and not job.delays.delays,
        "is persistent and has no delays; declare how long it waits between attempts",
    ),
    (lambda job: job.timeout < 60, "timeout is {job.timeout} s; a pipeline needs at least 60"),
)


@dataclass(frozen=True, slots=True)
class Continue:
    """A piece is done; the step continues at `cursor`."""

    cursor: str
    share: float = 0
    """Progress within the step, 0 to 1. Default: 0."""
    at: datetime | None = None
    """Earliest start of the next piece. Default: at once."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the row to write with it."""


@dataclass(frozen=True, slots=True)
class StepDone:
    """The step is done; the next one begins at `cursor`."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the row to write with it."""
    cursor: str = ""


class RequestRefused(Exception):
    """Raised by a step for a request that can never succeed.

    The request fails with this reason.
    """


class PipelineDefinition(Job, archetype=True):
    """Attributes and hooks of a pipeline. Jobs derive from Pipeline."""

    table: ClassVar[Table]
    """Table whose due rows are requests; it needs an index `due`."""
    record: ClassVar[str]
    """Path of the row's model, with the fields of a request: `shared.product.records.accounts.Export`."""
    steps: ClassVar[Mapping[str, int]]
    """Names of the steps in order, each with the percent done at its end.

    A step is a method `(run, item) -> Continue | StepDone` of that name: it does a few seconds of work,
    starting at `item.cursor`. A piece may be repeated if a run was interrupted before its result was written.
    RequestRefused ends a request that can never succeed. NotPerformed, such as SettingError, is a failure of our own:
    it is no attempt of the request.
    """
    delays: ClassVar[RetryPolicy] = retry_policies.WEBHOOK_ITEM
    """Delays after failed or interrupted pieces. Default: WEBHOOK_ITEM."""
    persistent: ClassVar[bool] = False
    """Whether the last delay repeats forever; otherwise the request fails after it. Default: False."""
    timeout: ClassVar[int] = 900
    memory: ClassVar[int] = 512
    cap: ClassVar[int] = 100
    retry: ClassVar[RetryPolicy] = retry_policies.MAINTENANCE
    rules: ClassVar[tuple[validation.Rule, ...]] = RULES

    @classmethod
    def grants(cls) -> tuple[Grant, ...]:
        own = (permissions.read_rows(cls.table.name), permissions.update_rows(cls.table.name))
        return (*super().grants(), *own, *permissions.alerting())

    def superseded(self, run: RunContext, item: Any) -> None:
        """Remove what a piece wrote, if another run has ended its request.

        Called after a piece whose result was not written. item: the request as this run knew it. By default a piece
        writes nothing outside its row.
        """

    def finished(self, run: RunContext, item: Any) -> Sequence[Any]:
        """Rows to write in one transaction with the completed request.

        They are arguments of PutItem. item: the request as it will be written.
        """
        return ()

    def failed(self, run: RunContext, item: Any) -> Sequence[Any]:
        """Rows to write in one transaction with a failed request.

        They are arguments of PutItem.
        """
        return ()
