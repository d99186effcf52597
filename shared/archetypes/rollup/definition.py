"""Declaration of a rollup: its attributes, hook and rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from shared import clock
from shared.archetypes.rollup import pending
from shared.archetypes.rollup.periods import Days, by_period
from shared.aws import permissions
from shared.aws.permissions import Grant
from shared.job import retry_policies, settings, validation
from shared.job.definition import Job
from shared.job.retry import RetryPolicy
from shared.job.setting import Setting
from shared.run import owner_failures
from shared.store import watermark
from shared.store.add_once import Addition
from shared.tables import Index, Table

if TYPE_CHECKING:
    from shared.run.context import RunContext

# An index may lag behind its table this long: a row that it does not show yet would be in no window.
LAG = timedelta(minutes=1)

RULES: tuple[validation.Rule, ...] = (
    (
        lambda job: not all(hasattr(job, name) for name in ("table", "when", "sums", "into")),
        "lacks one of table, when, sums and into",
    ),
    (
        lambda job: job.index not in {index.name for index in job.table.indexes},
        "table {job.table.name!r} has no index {job.index!r} by the time at which rows were recorded",
    ),
    (
        lambda job: not {job.when, *job.sums} <= {name for index in job.table.indexes for name in index.include},
        "adds up {job.sums} by {job.when!r}, and the index {job.index!r} does not include all of them",
    ),
    (
        lambda job: len(job.into.indexes) > 1,
        "adds up into {job.into.name!r}, which has indexes besides the one by age that sums are in",
    ),
    (lambda job: job.settle < LAG, "settle is {job.settle}; an index lags: give it at least a minute"),
    (lambda job: job.timeout < 60, "timeout is {job.timeout} s; a rollup reserves 20 for its end: give it at least 60"),
)


class RollupDefinition(Job, archetype=True):
    """Attributes and hooks of a rollup. Jobs derive from Rollup."""

    table: ClassVar[Table]
    """Table whose rows are added up."""
    index: ClassVar[str] = "aged"
    """Index that sorts the rows by the time at which they were recorded. Default: aged."""
    when: ClassVar[str]
    """Indexed attribute with the timestamp that a row counts for, often earlier than it was recorded."""
    sums: ClassVar[tuple[str, ...]]
    """Indexed attributes to add up."""
    into: ClassVar[Table]
    """Table of the sums: one row per owner and period."""
    counted: ClassVar[str] = "rows"
    """Attribute of a sum with the number of rows. Default: rows."""
    settle: ClassVar[timedelta] = timedelta(minutes=10)
    """Age below which rows wait for the next run, the default of `<ENV>_SETTLE`. Default: 10 minutes."""
    cap: ClassVar[int] = 500_000
    """Rows of a window; a window with more is halved. Default: 500,000."""
    memory: ClassVar[int] = 1024
    timeout: ClassVar[int] = 900
    retry: ClassVar[RetryPolicy] = retry_policies.MAINTENANCE
    rules: ClassVar[tuple[validation.Rule, ...]] = RULES

    @classmethod
    def all_settings(cls) -> tuple[Setting, ...]:
        meaning = f"Age at which {cls.name} adds a row up; must exceed the lag of the index"
        return (*super().all_settings(), settings.span(f"{cls.env}_SETTLE", cls.settle, meaning))

    @classmethod
    def grants(cls) -> tuple[Grant, ...]:
        own = (
            watermark.reading(cls.name),
            watermark.writing(cls.name),
            pending.reading(cls.name),
            pending.writing(cls.name),
        )
        tables = (permissions.read_rows(cls.table.name), permissions.update_rows(cls.into.name))
        return (*super().grants(), *own, *owner_failures.GRANTS, *tables)

    def carry(self, run: RunContext, owner: str, days: Days, end: str) -> None:
        """Add an owner's sums elsewhere, once per window `end`; see shared/store/add_once.py."""

    def additions(self, owner: str, days: Days) -> Iterator[Addition]:
        """Additions to the rows of days and of their weeks."""
        names = (*self.sums, self.counted)
        for period, (first_day, sums) in by_period(days).items():
            start = clock.iso(datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC))
            age: dict[str, str] = {}
            for index in self.into.indexes:
                age = {index.pk: index.partition(f"{owner}#{period}"), index.sk: start}
            yield Addition(owner, period, dict(zip(names, sums, strict=True)), {"v": 1, "from_at": start, **age})

    @classmethod
    def recorded(cls) -> Index:
        """Index that sorts the rows by the time of recording."""
        [index] = (index for index in cls.table.indexes if index.name == cls.index)
        return index
