"""What `work` is given: the firing it works for, what an earlier run left, and the ways to touch the world."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import redaction
from shared.job.definition import FINISH_SECONDS, Job
from shared.observability.artifacts import Artifacts
from shared.run.claim import Claim, Claims
from shared.run.firing import Batch, Firing

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.observability.log import Log
    from shared.run.budget_usage import BudgetUsage
    from shared.run.pauses import Pause


@dataclass(slots=True)
class RunContext:
    """One run's view. at: the tick's minute, by which due things are judged. started: when this run began.

    checkpoint: JSON data of an unfinished earlier run, or None. cap: the most items to work on. records: the messages,
    for a consumer; answered: ids of those that are dealt with; failures: of those that must come back. uncertain: keys
    of effects that a person must settle. pauses: of parts of the job, once they were read.
    """

    job: Job
    firing: Firing
    cloud: Cloud
    run_id: str
    started: datetime
    log: Log
    claims: Claims | None = None
    claim: Claim | None = None
    batch: Batch | None = None
    time_allowed: float = 0
    dry: bool = False
    artifacts: list[str] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    uncertain: list[str] = field(default_factory=list)
    pauses: Mapping[str, Pause] | None = None

    @property
    def at(self) -> datetime:
        return self.firing.at

    @property
    def target(self) -> str:
        return self.firing.target

    @property
    def checkpoint(self) -> Any:
        return self.claim.checkpoint if self.claim else None

    @property
    def cap(self) -> int:
        """No more than the budget had left when the run began; a plan is carried out whole."""
        limit: int = self.setting(f"{self.job.env}_MAX_RUNS_PER_TICK")
        purse = None if self.firing.plan else self._purse
        return limit if purse is None or purse.left is None else min(limit, purse.left)

    @property
    def records(self) -> tuple[Mapping[str, Any], ...]:
        return self.batch.records if self.batch else ()

    def setting(self, name: str) -> Any:
        """A declared setting's value, read now. Raises LookupError where the job does not declare it."""
        for setting in self.job.all_settings():
            if setting.name == name:
                return setting.read(self.cloud.environment)
        raise LookupError(f"{self.job.name} declares no setting {name!r}; add it to its settings")

    @property
    def deadline(self) -> datetime:
        return self.started + timedelta(seconds=self.time_allowed or self.job.timeout - FINISH_SECONDS)

    def remaining(self) -> float:
        """Seconds until the run is ended; stop early enough to leave a checkpoint."""
        return (self.deadline - self.cloud.clock.now()).total_seconds()

    def room(self) -> float:
        """Seconds in which something more may be begun: as `remaining`, but none once the budget is used up."""
        return 0 if self.used_up else self.remaining()

    @property
    def used_up(self) -> bool:
        """Whether the job's budget is, and the run is none that is done whole all the same: that of a plan."""
        return self._purse is not None and self._purse.used_up and not self.firing.plan

    def spend(self, *, items: int = 0, dollars: float = 0) -> None:
        """Count what was done and what it cost against the job's budget, as soon as it is; nothing where it has none.

        It is written down with the next `save` or `progress`, and with the run's end. Raises ValueError for less than
        nothing.
        """
        if self._purse:
            self._purse.spend(items, dollars)

    @property
    def _purse(self) -> BudgetUsage | None:
        return self.claim.budget_usage if self.claim else None

    def save(self, checkpoint: Any) -> None:
        """Keep a checkpoint now, so that a crash loses nothing before it. Raises Fenced when the lease was lost."""
        if self.claims and self.claim:
            self.claims.save(self.claim, checkpoint)

    def progress(self, step: str, percent: int) -> None:
        """Log `<job>_in_progress` and show it in the status. Raises Fenced when the lease was lost."""
        self.log.info(f"{self.job.name}_in_progress", step=step, percentage=percent, status="PROCESSING")
        if self.claims and self.claim:
            self.claims.progress(self.claim, redaction.text(step), percent)

    def effect(self, key: str, do: Callable[[str], Any]) -> Any:
        """Call `do`, once for this key on however many runs, and return its result: JSON data, to duplicates too.

        `do` receives the idempotency token to send. It raises NotPerformed where nothing can have happened; the key is
        then free again. Raises UncertainOutcome where an earlier run, or `do` itself, ended with an unknown outcome
        that the job's `reconcile` cannot find out; InFlight where another run performs it; Fenced when the lease was
        lost. Each of these concerns this key alone.
        """
        from shared.run.effects import Effects

        return Effects(self).perform(key, do)

    def paused(self, *, target: str = "", tenant: str = "") -> str:
        """Who has paused this target or this tenant, and why; empty where nobody has. Leave its work be, then.

        As it was when first asked in this run; for a consumer as it was at most a minute ago. No call to AWS is made
        while nothing of the job is paused, but by a consumer and a dry run, which have no claim to tell.
        """
        if self.pauses is None:
            self.pauses = self._pauses()
        for part in (f"target#{target}", f"tenant#{tenant}"):
            if part in self.pauses:
                return self.pauses[part].text
        return ""

    def _pauses(self) -> Mapping[str, Pause]:
        if self.claim and not self.claim.partly:
            return {}
        from shared.run import pauses

        return pauses.recent(self.cloud, self.job.name) if self.batch else pauses.read(self.cloud, self.job.name)

    def keep(self, record: Mapping[str, Any], host: str | None = None) -> str:
        """Write an artifact (kind, ok, status, ms and whatever was seen) and return its key."""
        key = Artifacts(self.cloud, self.job.name).write(record, host or self.target, self.started, self.run_id)
        self.artifacts.append(key)
        return key
