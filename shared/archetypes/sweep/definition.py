"""Declaration of a sweep: attributes, the job's hooks, and their rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from shared import clock
from shared.aws import permissions
from shared.aws.permissions import Grant
from shared.job import retry_policies, settings, validation
from shared.job.definition import Job
from shared.job.retry import NO_RETRY, RetryPolicy
from shared.job.retry import parse as parse_retry
from shared.job.setting import Setting
from shared.store import due_index
from shared.store.age_index import Row
from shared.tables import Table

if TYPE_CHECKING:
    from shared.archetypes.sweep.attempt import Attempt, AttemptResult, AttemptVerdict
    from shared.run.context import RunContext
    from shared.store.batch_get import Key

# Seconds of a run that are reserved for writing its outcome.
RESERVE = 5

RULES: tuple[validation.Rule, ...] = (
    (lambda job: not hasattr(job, "table"), "declares no table; table = one of shared/tables.py"),
    (
        lambda job: "due" not in {index.name for index in job.table.indexes},
        "table {job.table.name!r} has no index `due`; declare it in shared/tables.py",
    ),
    (
        lambda job: not hasattr(job, "record"),
        "declares no record; record = the path of its model, 'shared.product.records.mail.FailedEmail'",
    ),
    (
        lambda job: job.patience + RESERVE + 5 >= job.timeout,
        "patience is {job.patience} s for one attempt, which does not fit into the timeout of {job.timeout} s",
    ),
    (
        lambda job: job.shards > due_index.index_of(job.table).shards,
        "has {job.shards} shards, more than partitions of the index `due`; give the index as many",
    ),
    (
        lambda job: job.shards > 1 and job.rate,
        "has {job.shards} shards and a rate of {job.rate}, which each of them would reach; remove one of the two",
    ),
    (lambda job: not 1 <= job.share <= job.width, "share is {job.share}; it must be 1 to the width of {job.width}"),
)


class SweepDefinition(Job, archetype=True):
    """Attributes and hooks of a sweep. Jobs derive from Sweep."""

    table: ClassVar[Table]
    """Table whose due rows are attempted; it needs an index `due`."""
    record: ClassVar[str]
    """Path of the row's model, such as `shared.product.records.mail.FailedEmail`."""
    delays: ClassVar[RetryPolicy] = NO_RETRY
    """Delays between attempts, the default of `<ENV>_DELAYS`. Default: none; then `next_at` sets the due time."""
    give_up_after: ClassVar[timedelta | None] = None
    """Age, counted from `since`, beyond which an item is abandoned; the default of `<ENV>_GIVE_UP_AFTER`."""
    width: ClassVar[int] = 8
    """Concurrent attempts. Default: 8."""
    share: ClassVar[int] = 2
    """Concurrent attempts within one `lane`. Default: 2."""
    rate: ClassVar[int] = 0
    """Attempts per second, the default of `<ENV>_RATE`. Default: 0, no limit."""
    patience: ClassVar[float] = 30
    """Seconds that one attempt may take. Default: 30."""
    verb: ClassVar[str] = "change"
    """Verb of an attempt in a plan: delete, send or change. Default: change."""
    referenced_tables: ClassVar[tuple[Table, ...]] = ()
    """Tables that `references` names keys of; the job is granted to read them."""
    shard_items: ClassVar[int] = 500
    retry: ClassVar[RetryPolicy] = retry_policies.MAINTENANCE
    applicable: ClassVar[bool] = True
    rules: ClassVar[tuple[validation.Rule, ...]] = RULES

    @classmethod
    def all_settings(cls) -> tuple[Setting, ...]:
        own = []
        if cls.delays.delays:
            meaning = f"Delays between the attempts of {cls.name}; the item is abandoned after the last one"
            own.append(Setting(f"{cls.env}_DELAYS", str(cls.delays), meaning, parse_retry))
        if cls.give_up_after is not None:
            meaning = f"Age beyond which {cls.name} gives an item up"
            own.append(settings.span(f"{cls.env}_GIVE_UP_AFTER", cls.give_up_after, meaning))
        if cls.rate:
            own.append(settings.count(f"{cls.env}_RATE", cls.rate, f"Attempts per second of {cls.name}"))
        return (*super().all_settings(), *own)

    @classmethod
    def grants(cls) -> tuple[Grant, ...]:
        own = (permissions.read_rows(cls.table.name), permissions.update_rows(cls.table.name))
        referenced = (permissions.read_rows(table.name) for table in cls.referenced_tables)
        return (*super().grants(), *own, *permissions.alerting(), *referenced)

    def rows(self, run: RunContext) -> Iterator[Row]:
        """Keys of the due rows, the longest due first."""
        return due_index.rows_due(run.cloud, self.table, clock.iso(run.at), run.partitions)

    def references(self, item: Any) -> Iterable[Key]:
        """Keys of rows of other tables that an attempt needs.

        They are read in batches for many items.
        """
        return ()

    def lane(self, item: Any) -> str:
        """Name of a slow resource that items share; empty for none.

        A receiver, for example.
        """
        return ""

    def since(self, item: Any) -> datetime:
        """Timestamp from which `give_up_after` counts, such as that of the first failure.

        It names the occurrence: an item that is queued again under its id with another timestamp has effects of its
        own. A job with effects or `give_up_after` defines it.
        """
        raise NotImplementedError

    def tools(self, run: RunContext) -> AbstractContextManager[Any]:
        """Clients and caches that all attempts of a run share, across threads."""
        return nullcontext()

    def attempt(self, attempt: Attempt) -> AttemptVerdict:
        """Attempt one item once.

        An exception leaves the outcome unknown. NotPerformed states that nothing happened: no attempt is counted, and
        the item is due again at the next tick, or after Deferred's `wait`.
        """
        raise NotImplementedError

    def on_success(self, item: Any, result: AttemptResult) -> Mapping[str, Any]:
        """Fields of the item that change on success.

        `attempts`, `last_error` and the verdict's fields are written without being named here.
        """
        raise NotImplementedError

    def on_give_up(self, item: Any, result: AttemptResult) -> Mapping[str, Any]:
        """Fields of the item that change when it is abandoned."""
        raise NotImplementedError

    def on_retry(self, item: Any, at: datetime) -> Mapping[str, Any]:
        """Fields that change when the item is due again at that timestamp."""
        return {"next_attempt_at": at}

    def next_at(self, run: RunContext, result: AttemptResult) -> datetime | None:
        """Next due time after a failed attempt; None to stop retrying."""
        if not self.delays.delays:
            # It has no such setting either.
            return None
        policy: RetryPolicy = run.setting(f"{self.env}_DELAYS")
        delay = policy.delay(result.number)
        return None if delay is None else result.at + timedelta(seconds=delay)

    def with_puts(self, run: RunContext, item: Any, result: AttemptResult) -> Sequence[Any]:
        """Rows to write in one transaction with the item's end.

        They are arguments of PutItem. Not called for an item that is retried.
        """
        return ()

    def describe(self, row: Row) -> str:
        """Short description of a row, for the samples of a plan."""
        return f"{row.pk} {row.sk}, due {row.since}"
