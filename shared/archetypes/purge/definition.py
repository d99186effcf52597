"""Declaration of a purge: its attributes and the job's hooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from shared.archetypes.purge.rules import RULES
from shared.job import retry_policies, validation
from shared.job.definition import Job
from shared.job.retry import RetryPolicy
from shared.tables import Index, Table

if TYPE_CHECKING:
    from shared.run.context import RunContext
    from shared.store.age_index import Row


class PurgeDefinition(Job, archetype=True):
    """Attributes and hooks of a purge. Jobs derive from Purge."""

    table: ClassVar[Table]
    """Table whose expired rows are deleted."""
    index: ClassVar[str] = "aged"
    """Index that sorts the rows by age; "" for the table's own key, which needs `partitions`. Default: aged."""
    keep: ClassVar[timedelta]
    """Retention, the default of `<ENV>_KEEP`. A row is due when it is exactly this old."""
    kinds: ClassVar[Mapping[str, timedelta]] = {}
    """Retention of rows in partitions of a kind, the defaults of `<ENV>_KEEP_<KIND>`. Default: no kinds."""
    warn: ClassVar[timedelta | None] = None
    """Notice before deletion: the owner is warned this long before, and the row is deleted this long after the warning.

    Default: no warning.
    """
    most: ClassVar[int] = 100_000
    """Rows that a tick may delete without approval, the default of `<ENV>_MOST_ROWS`. Default: 100,000."""
    few: ClassVar[int] = 50
    """Rows that are never unusual; see shared/plans/brake.py. Default: 50."""
    holds: ClassVar[tuple[str, ...]] = ()
    """Indexed attributes that must be unchanged when a row is deleted; costs one call per row. Default: none."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Indexed attributes that hooks read. Default: none."""
    whole: ClassVar[bool] = False
    """Whether hooks get rows with all attributes, at one more read. Default: False."""
    objects: ClassVar[Mapping[str, str]] = {}
    """Indexed attributes that name an S3 object to delete before the row, each with the object's folder."""
    along: ClassVar[tuple[Table, ...]] = ()
    """Tables whose rows of the same key are deleted before the row. Default: none."""
    keeps_with: ClassVar[type[PurgeDefinition] | None] = None
    """Another purge, whose `<ENV>_KEEP` applies instead of this job's. Default: none."""
    longer: ClassVar[timedelta] = timedelta(0)
    """Added to the retention. Default: 0."""
    behind: ClassVar[str] = ""
    """Name of a job whose watermark bounds what is deleted: newer rows stay, however old. Default: none."""
    cap: ClassVar[int] = 1_000_000
    shard_items: ClassVar[int] = 100_000
    memory: ClassVar[int] = 512
    retry: ClassVar[RetryPolicy] = retry_policies.MAINTENANCE
    applicable: ClassVar[bool] = True
    rules: ClassVar[tuple[validation.Rule, ...]] = RULES

    def partitions(self, run: RunContext) -> Sequence[str]:
        """Partition keys of the table, for a purge without an index."""
        raise NotImplementedError

    def spare(self, run: RunContext, row: Row) -> str:
        """Reason to keep an expired row; empty to delete it."""
        return ""

    def spares(self, run: RunContext, rows: Sequence[Row]) -> Sequence[str]:
        """Reasons to keep rows, for up to some hundred rows at once.

        For a job that reads other tables to decide.
        """
        return [self.spare(run, row) for row in rows]

    def archive(self, run: RunContext, rows: Sequence[Row]) -> None:
        """Store what must outlive these rows; they are deleted once it returns.

        Called with up to 500 rows, and again with the same rows if a run was interrupted before it deleted them.
        """

    def warning(self, row: Row) -> Any:
        """Message to the row's owner before deletion.

        The row has all its attributes.
        """
        raise NotImplementedError

    def send(self, run: RunContext, message: Any, token: str) -> Any:
        """Send a warning with its idempotency token.

        May raise the same exceptions as the call of `RunContext.effect`.
        """
        raise NotImplementedError

    def describe(self, row: Row) -> str:
        """Short description of a row, for the samples of a plan."""
        return f"{row.pk} {row.sk}" if row.since.startswith(row.sk) else f"{row.pk} {row.sk} of {row.since}"

    @classmethod
    def age_index(cls) -> Index | None:
        """Index that sorts rows by age; None for the table's own key."""
        return next((index for index in cls.table.indexes if index.name == cls.index), None)

    @classmethod
    def guards(cls) -> tuple[str, ...]:
        """Attributes that must be unchanged when a row is deleted."""
        # An owner who was warned may have acted on it: the row stays if its place in the index has changed.
        index = cls.age_index()
        return cls.holds or ((index.pk, index.sk) if index and cls.warn is not None else ())

    @classmethod
    def planned_attributes(cls) -> tuple[str, ...]:
        """Attributes of a row that a plan stores."""
        return tuple(dict.fromkeys((*cls.guards(), *cls.objects)))
