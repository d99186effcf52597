"""RunContext: the argument of `Job.work`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

from shared import redaction
from shared.aws.names import NO_TARGET
from shared.job.definition import FINISH_SECONDS, Job
from shared.job.outcome import Done
from shared.observability.artifacts import Artifacts, Pointer, Written
from shared.run.claim import Claim, Claims
from shared.run.firing import Batch, Firing

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.observability.log import Log
    from shared.run.budget_usage import BudgetUsage
    from shared.run.failed_message import FailedMessage
    from shared.run.known_outcomes import KnownOutcome
    from shared.run.pauses import Pause


@dataclass(slots=True)
class RunContext:
    """One run of a job, or of one batch of messages."""

    #: The job that runs.
    job: Job
    #: The event that started the run: tick, target, attempt.
    firing: Firing
    #: AWS clients, names, clock and environment.
    cloud: Cloud
    #: Unique id that begins with the start time, see `begin.run_id`.
    run_id: str
    #: When this run began. Judge what is due by `at`, the time of its tick.
    started: datetime
    #: Logger with the fields of this run.
    log: Log
    #: Access to the claim item; None for a consumer and in a dry run.
    claims: Claims | None = None
    #: Lease, checkpoint and budget of this run; None before the claim, for a consumer and in a dry run.
    claim: Claim | None = None
    #: The messages of a consumer's run; None for other jobs.
    batch: Batch | None = None
    #: Seconds that the work may take; 0: the job's timeout less the time to finish.
    time_allowed: float = 0
    #: Whether this is a dry run, which must not write.
    dry: bool = False
    #: Keys of the artifacts written so far.
    artifacts: list[str] = field(default_factory=list)
    #: Ids of messages that need no redelivery: handled, deferred or dead-lettered.
    answered: set[str] = field(default_factory=set)
    #: Ids of messages that SQS must deliver again.
    failures: list[str] = field(default_factory=list)
    #: Failed attempts of messages, rejected ones included.
    failed_messages: list[FailedMessage] = field(default_factory=list)
    #: Number of messages by their end, see `MessageBatch.counts`.
    message_counts: Mapping[str, int] = field(default_factory=dict)
    #: Id of the organization whose messages are handled now; empty for none, or for several.
    tenant: str = ""
    #: Keys of effects with an unknown outcome, which an operator must resolve.
    uncertain: list[str] = field(default_factory=list)
    #: Outcomes of effects that could not be written yet, by key.
    known_outcomes: dict[str, KnownOutcome] = field(default_factory=dict)
    #: Pauses of the job by part, once they were read.
    pauses: Mapping[str, Pause] | None = None
    #: Number of shards that this run has started in place of the work.
    started_shards: int = 0
    #: Values of the settings that were read, by name.
    settings_read: dict[str, Any] = field(default_factory=dict, repr=False)
    #: Monotonic clock at the start, for the duration.
    monotonic_start: float = field(default_factory=time.monotonic)

    @property
    def at(self) -> datetime:
        """UTC minute of the tick, or time of the manual request."""
        return self.firing.at

    @property
    def target(self) -> str:
        """Target of the run; `-` for a job without targets."""
        return self.firing.target

    @property
    def in_shard(self) -> bool:
        """Whether a tick has started this run as one of several shards."""
        return self.firing.shards > 1

    @property
    def may_start_shards(self) -> bool:
        """Whether the tick may still be divided into shards.

        Only its first part may, and no shard.
        """
        undivided = self.target == NO_TARGET and self.firing.part == 0 and self.batch is None
        return self.job.shards > 1 and undivided and not self.firing.plan and not self.dry

    def partitions(self, of_index: Sequence[str]) -> Sequence[str]:
        """Return the partitions of an index that this run works on.

        All, or those of its shard.
        """
        if self.target == NO_TARGET or self.job.shards == 1:
            return of_index
        return of_index[int(self.target) :: self.firing.shards or self.job.shards]

    def start_shards(self, items: int) -> Done | None:
        """Start a shard for each `shard_items` due items, instead of the work.

        Rounded up to a power of two, so that each has as many partitions, and at most the job's `shards`. None where
        one run is enough: the caller does the work. items: the count of due items, or any number above `shards` times
        `shard_items`.
        """
        needed = ceil(items / (self.job.shard_items or 1))
        wanted = min(self.job.shards, 1 << max(0, needed - 1).bit_length())
        if wanted <= 1 or not self.may_start_shards:
            return None
        # Imported lazily: most ticks are done by one run.
        from shared.run import send

        send.send_shards(self.cloud, self.firing, wanted)
        self.started_shards = wanted
        return Done({"shards": wanted})

    @property
    def checkpoint(self) -> Any:
        """JSON data that an unfinished earlier run left, or None."""
        return self.claim.checkpoint if self.claim else None

    @property
    def cap(self) -> int:
        """Maximum number of items to work on.

        The setting, or what was left of the budget when the run began.

        A plan is applied whole, even over the budget.
        """
        limit: int = self.setting(f"{self.job.env}_MAX_RUNS_PER_TICK")
        usage = None if self.firing.plan else self._budget_usage
        return limit if usage is None or usage.left is None else min(limit, usage.left)

    @property
    def records(self) -> tuple[Mapping[str, Any], ...]:
        """SQS records of a consumer's batch; empty for other jobs."""
        return self.batch.records if self.batch else ()

    def setting(self, name: str) -> Any:
        """Read a declared setting from the environment, once per run.

        Raises LookupError for one that the job does not declare.
        """
        if name in self.settings_read:
            return self.settings_read[name]
        for setting in self.job.all_settings():
            if setting.name == name:
                value = self.settings_read[name] = setting.read(self.cloud.environment)
                return value
        raise LookupError(f"{self.job.name} declares no setting {name!r}; add it to its settings")

    @property
    def deadline(self) -> datetime:
        """Time at which the work is interrupted."""
        return self.started + timedelta(seconds=self._allowed)

    @property
    def _allowed(self) -> float:
        return self.time_allowed or self.job.timeout - FINISH_SECONDS

    def remaining(self) -> float:
        """Seconds until the deadline; stop early enough to leave a checkpoint."""
        return (self.deadline - self.cloud.clock.now()).total_seconds()

    def work_seconds(self) -> float:
        """Seconds that the work may take, less those since the invocation began.

        A slow claim shortens the work: Lambda counts from the invocation. Negative where the process was frozen before
        its work, which one of the clocks may not show.
        """
        left = (self.deadline - self.cloud.clock.now()).total_seconds()
        return min(self._allowed - self.elapsed_ms() / 1000, left)

    def time_left(self) -> float:
        """Seconds in which the end of the run may still be written."""
        return self.remaining() + FINISH_SECONDS - 1

    def time_for_more(self) -> float:
        """Seconds in which new work may begin.

        As `remaining`, and 0 once the budget is used up.
        """
        return 0 if self.used_up else self.remaining()

    def elapsed_ms(self) -> int:
        """Milliseconds since the run began, by the monotonic clock."""
        return round((time.monotonic() - self.monotonic_start) * 1000)

    @property
    def used_up(self) -> bool:
        """Whether the job's budget is used up.

        Never for a plan, which is applied whole.
        """
        return self._budget_usage is not None and self._budget_usage.used_up and not self.firing.plan

    def spend(self, *, items: int = 0, dollars: float = 0) -> None:
        """Count items and cost against the job's budget, if any.

        Written with the next `save` or `progress`, and with the end of the run. Raises ValueError for negative values.
        """
        if self._budget_usage:
            self._budget_usage.spend(items, dollars)

    @property
    def _budget_usage(self) -> BudgetUsage | None:
        return self.claim.budget_usage if self.claim else None

    def save(self, checkpoint: Any) -> None:
        """Save a checkpoint, so that a crash loses nothing before it.

        Raises Fenced when the lease was lost.
        """
        if self.claims and self.claim:
            self.claims.save(self.claim, checkpoint)

    def progress(self, step: str, percent: int) -> None:
        """Log `<job>_in_progress` and show it in the status.

        Raises Fenced when the lease was lost.
        """
        self.log.info(f"{self.job.name}_in_progress", step=step, percentage=percent, status="PROCESSING")
        if self.claims and self.claim:
            self.claims.progress(self.claim, redaction.text(step), percent)

    def effect(self, key: str, do: Callable[[str], Any]) -> Any:
        """Call `do` once per key and return its result.

        Once over all runs; duplicates get the same result, as JSON data.

        `do` receives the idempotency token to send. It raises NotPerformed where nothing can have happened; the key is
        then free again. Raises UncertainOutcome where an earlier run, or `do` itself, ended with an unknown outcome
        that the job's `reconcile` cannot determine; InFlight where another run performs it; Fenced when the lease was
        lost. Each of these concerns this key alone.
        """
        # Imported lazily: most jobs have no effects.
        from shared.run.effects import Effects

        return Effects(self).perform(key, do)

    def paused(self, *, target: str = "", tenant: str = "") -> str:
        """Return operator and reason of a pause, or "".

        Skip the work of a target or tenant that is paused.

        Read once per run, for a consumer at most once a minute. Costs no call to AWS while the claim shows that no
        part of the job is paused; a consumer and a dry run have no claim and always read.
        """
        if self.pauses is None:
            self.pauses = self._pauses()
        for part in (f"target#{target}", f"tenant#{tenant}"):
            pause = self.pauses.get(part)
            if pause and not pause.ended(self.cloud.clock.now()):
                return pause.note
        return ""

    def _pauses(self) -> Mapping[str, Pause]:
        if self.claim and not self.claim.partial_pauses:
            return {}
        from shared.run import pauses

        return pauses.recent(self.cloud, self.job.name) if self.batch else pauses.read(self.cloud, self.job.name)

    def write_artifact(
        self, record: Mapping[str, Any], host: str | None = None, last: Pointer | None = None
    ) -> Written:
        """Write an artifact to the bucket.

        record: kind, ok, status, ms and further data. last: what an earlier write of the host returned as its pointer.
        """
        artifacts = Artifacts(self.cloud, self.job.name)
        written = artifacts.write(record, host or self.target, self.started, self.run_id, last)
        self.artifacts.append(written.key)
        return written
