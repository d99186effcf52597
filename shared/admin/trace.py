"""The trace of a tick or a minute, in five reads.

The cause of a missed tick takes more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws.names import NO_TARGET
from shared.job.definition import Job
from shared.ledger.ledger import TickOutcome, TickRecord
from shared.run import claim_write
from shared.run.claim import Held
from shared.run.pauses import Pause
from shared.tables import FAILURE_KEYS, TTL

if TYPE_CHECKING:
    from shared.admin.missed_tick import MissedTickCause
    from shared.run.budget_usage import BudgetUsage

GATED = (TickOutcome.DISABLED, TickOutcome.FORBIDDEN)
HIDDEN_ATTRIBUTES = ("pk", "sk", "duplicate", TTL, *FAILURE_KEYS)
UNKNOWN = TickRecord(TickOutcome.UNKNOWN)
FAILURES = (TickOutcome.FAILED, TickOutcome.REFUSED, TickOutcome.LOST)


@dataclass(slots=True)
class Trace:
    """The stored rows about one tick of a job and target."""

    job: Job
    now: datetime
    #: The requested minute.
    minute: datetime
    #: The tick of that minute, or the last one before it; None for a job without a schedule.
    tick: datetime | None
    target: str
    #: The claim item.
    claim: dict[str, Any] = field(default_factory=dict)
    #: The status item of a target whose runs serve all targets.
    host_status: dict[str, Any] = field(default_factory=dict)
    #: The rows of the tick and target, the oldest first.
    runs: list[dict[str, Any]] = field(default_factory=list)
    #: The rows of other runs that started in the minute.
    other_runs: list[dict[str, Any]] = field(default_factory=list)
    record: TickRecord = UNKNOWN
    #: The gap row that the tick belongs to.
    gap: dict[str, Any] = field(default_factory=dict)
    #: Of a tick that was missed, also if it was caught up later.
    cause: MissedTickCause | None = None
    #: Whether the record is from the daily ledger.
    from_daily_ledger: bool = False
    #: Whether the reconciler has recorded the job, and since when its ticks are expected.
    in_ledger: bool = True
    expected_since: datetime | None = None
    #: The dead letter of these runs; the newest one for a job without ticks.
    dead_letter: dict[str, Any] = field(default_factory=dict)
    #: The number of messages in each queue of a consumer.
    queued: dict[str, int] = field(default_factory=dict)
    #: The note of the gate that is closed now.
    closed_gate: str | None = None
    #: The pauses of targets and tenants, by part.
    partial_pauses: dict[str, Pause] = field(default_factory=dict)
    #: The plan of what the brake stopped.
    braked_plan: str = ""
    #: By the settings of this process.
    budget_usage: BudgetUsage | None = None
    #: How many reads the trace took, without those of the cause.
    reads: int = 0

    @property
    def position(self) -> str:
        return f"{clock.minute(self.tick)}#00" if self.tick else ""

    @property
    def whole_tick(self) -> bool:
        """Whether the trace is of the tick, not of a shard."""
        return self.target == NO_TARGET or not self.job.lease_per_target

    @property
    def lease_held(self) -> bool:
        """Whether a run holds the lease, and it has not expired."""
        return "holder" in self.claim and not claim_write.lease_expired(self.claim, self.now)

    @property
    def runs_now(self) -> bool:
        """Whether the run with the lease works for this tick."""
        return self.lease_held and Held.of(self.claim).tick.startswith(self.position[:17])

    def data(self) -> dict[str, Any]:
        """Return everything for JSON output."""
        lease = None
        if "holder" in self.claim:
            until = datetime.fromtimestamp(self.claim["lease_until"] / 1000, UTC)
            lease = {"run": self.claim["holder"], "until": clock.iso(until), "alive": self.lease_held}
        gap = {name: self.gap[name] for name in ("from", "to", "count", "covered") if name in self.gap}
        return {
            "job": self.job.name,
            "target": self.target,
            "asked": clock.iso(self.minute),
            "tick": clock.iso(self.tick) if self.tick else None,
            "verdict": self.record.outcome.value if self.tick else None,
            "again": self.record.duplicated,
            "runs": self.runs,
            "others": self.other_runs,
            "missed": gap or None,
            "cause": self.cause.facts if self.cause else None,
            "lease": lease,
            "paused": self.claim.get("paused"),
            "paused_until": self.claim.get("paused_until"),
            "pauses": {part: pause.note for part, pause in self.partial_pauses.items()} or None,
            "plan": self.braked_plan or None,
            "gate": self.closed_gate,
            "budget": self.budget_usage.facts if self.budget_usage else None,
            "dead_letter": self.dead_letter.get("id"),
            "waiting": self.queued or None,
            "reads": self.reads,
        }
