"""The claim: lease, tick, fencing token and checkpoint in one item.

One conditional write takes it, one returns it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.job.definition import Job
from shared.job.outcome import Reason
from shared.plans import BRAKE
from shared.run import checkpoint as checkpoints
from shared.run.firing import SEQUENCE_STEP, Firing
from shared.store import keys, table
from shared.store.fencing import Fenced
from shared.store.table import ConditionFailed
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.run.budget_usage import BudgetUsage

# Seconds. Lambda ends a run at its timeout; the clocks of two machines may differ by this much.
LEASE_MARGIN = 10
# Bytes of the claim item, so that each write to it costs one unit.
ITEM_LIMIT = 1024

# Attributes that the item has only while a run holds it.
CLAIM_ATTRIBUTES = ("holder", "expired_holder", "lease_until", "step", "progress")

# The condition of a claim, in named parts. Two deliveries of the tick 22:05 in time, first attempt, hop 1:
#   22:05:00  A claims      last_attempt = 22:05Z#00#001#01, holder = A, lease_until = 22:06:10
#   22:05:01  B is refused  ATTEMPT_NOT_MADE: the same attempt, and NO_LEASE: A holds it
#   22:05:40  A fails       holder and lease_until removed; last unchanged; retry sent as attempt 2
#   22:05:41  B is refused  ATTEMPT_NOT_MADE: else it would start a second chain of retries
#   22:06:00  A2 claims     last_attempt = 22:05Z#00#002#03 is greater
TICK_NOT_DONE = "(attribute_not_exists(#last) OR #last < :position)"
# Where the holder was interrupted (`holder` is still there, its lease has expired) the attempt may be repeated.
ATTEMPT_NOT_MADE = (
    "(attribute_not_exists(last_attempt) OR NOT begins_with(last_attempt, :position) OR last_attempt < :attempt "
    "OR attribute_exists(holder))"
)
NO_LEASE = "(attribute_not_exists(lease_until) OR lease_until < :now)"
NOT_PAUSED = "attribute_not_exists(paused)"
NOT_PAUSED_EXCEPT_BY_THE_BRAKE = f"({NOT_PAUSED} OR begins_with(paused, :brake))"


@dataclass(frozen=True, slots=True)
class Claim:
    """The exclusive right to run, as taken."""

    #: Id of the run that holds it.
    run: str
    #: Fencing token: grows with every claim of the item.
    fence: int
    #: Checkpoint that the last run left, or None.
    checkpoint: Any
    #: Id of an interrupted run that held the lease until it expired, or None.
    expired_holder: str | None
    #: Status that the last finished run left.
    before: Mapping[str, Any]
    #: Position of the last tick that is done.
    last: str = ""
    #: Deduplication key of the interrupted run's firing; empty where it is unknown.
    interrupted_at: str = ""
    #: Whether a target or tenant of the job is paused.
    partial_pauses: bool = False
    #: What is spent of the job's budget; None for a job without a budget.
    budget_usage: BudgetUsage | None = None


@dataclass(frozen=True, slots=True)
class ClaimRefusal:
    """The reason why a run got no claim."""

    #: Why the claim was refused.
    reason: Reason
    #: The last run that claimed the item; for a duplicate the winner.
    run: str = ""
    #: Seconds until the lease of the holder ends.
    wait: int = 0
    #: Explanation for people.
    note: str = ""
    #: The usage, where the budget is used up.
    budget_usage: BudgetUsage | None = None


@dataclass(slots=True)
class _Write:
    """Parts of the conditional write that takes a claim."""

    sets: list[str]
    conditions: list[str]
    names: dict[str, str]
    values: dict[str, Any] = field(default_factory=dict)


class Claims:
    """Access to the claim item of one job and target."""

    def __init__(self, cloud: Cloud, job: Job, target: str) -> None:
        self.cloud = cloud
        self.job = job
        self.target = target
        self.key = keys.claim(job.key, target)
        self.budget = job.allowance(cloud.environment)

    def take(self, firing: Firing, run: str, request: str) -> Claim | ClaimRefusal:
        """Claim the item for `run` with one conditional write.

        `request`: Lambda's request id.

        The old item comes back either way: with the checkpoint, or with the reason for the refusal.
        """
        now = self.cloud.clock.now()
        write = self._write_for(firing, run, request, now)
        try:
            before = table.update(
                self.cloud,
                STATE,
                self.key,
                f"SET {', '.join(write.sets)} REMOVE step, progress ADD fence :one",
                write.values,
                condition=" AND ".join(write.conditions),
                names=write.names,
            )
        except ConditionFailed as refused:
            item = refused.item
            if item.get("holder") == run:
                # Our first write succeeded, but its reply was lost, so the attempt that it replaced is unknown.
                return self._claim(run, item["fence"], {**item, "last_attempt": ""}, item.get("expired_holder"))
            return _refusal(item, firing, now, None if firing.plan else self.usage(item, now))
        return self._claim(run, before.get("fence", 0) + 1, before, before.get("holder"))

    def finish(self, claim: Claim, firing: Firing, status: Mapping[str, Any], checkpoint: Any, success: bool) -> None:
        """Write status and checkpoint, and release the lease. Raises Fenced.

        A success moves `last`. A repeat after a lost reply meets the same run and fence and writes the same values;
        what is spent of the budget is written as the new sum, not as an increment.
        """
        stored = self._store(claim, checkpoint) if success and checkpoint is not None else None
        values: dict[str, Any] = {":status": dict(status), ":state": "COMPLETED" if success else "FAILED"}
        names = {"#state": "state", "#status": "status"}
        update = "#status = :status, #state = :state"
        remove = list(CLAIM_ATTRIBUTES)
        if success and not firing.manual:
            update += ", #last = :position"
            names["#last"] = "last"
            values[":position"] = firing.position
        if stored is not None:
            update += ", checkpoint = :checkpoint"
            values[":checkpoint"] = stored
        elif success:
            remove.append("checkpoint")
        self._write(claim, update, names, values, remove)

    def save(self, claim: Claim, checkpoint: Any) -> None:
        """Save a checkpoint while the work goes on.

        Raises Fenced, which ends a run that lost its lease.
        """
        stored = self._store(claim, checkpoint)
        self._write(claim, "checkpoint = :checkpoint", {}, {":checkpoint": stored})

    def progress(self, claim: Claim, step: str, percent: int) -> None:
        """Write the step and the percentage that the status shows. Raises Fenced."""
        self._write(claim, "step = :step, progress = :percent", {}, {":step": step, ":percent": percent})

    def record_alerted(self, usage: BudgetUsage) -> None:
        """Record that operators were alerted, unless the usage has changed since."""
        values = {":stored": usage.stored, ":of": str(usage.budget)}
        table.update_if(
            self.cloud, STATE, self.key, "SET spent.#of = :of", values, "spent = :stored", names={"#of": "of"}
        )

    def usage(self, item: Mapping[str, Any], now: datetime) -> BudgetUsage | None:
        """Return what is spent of the job's budget by its claim item.

        None for a job without a budget.
        """
        if self.budget is None:
            return None
        # Imported lazily: most jobs have no budget.
        from shared.run import budget_usage

        return budget_usage.from_item(self.budget, item, now)

    def _write_for(self, firing: Firing, run: str, request: str, now: datetime) -> _Write:
        write = _Write(
            # `expired_holder` takes over the old holder, so that a claim whose reply was lost still finds it.
            [
                "#run = :run, holder = :run, expired_holder = if_not_exists(holder, :none), lease_until = :until",
                "invocation = :invocation, started = :started, #state = :processing",
            ],
            [NO_LEASE],
            {"#run": "run", "#state": "state"},
            {
                ":run": run,
                ":none": "-",
                ":now": clock.milliseconds(now),
                ":until": clock.milliseconds(now) + (self.job.timeout + LEASE_MARGIN) * 1000,
                ":one": 1,
                ":invocation": request,
                ":started": clock.iso(now),
                ":processing": "PROCESSING",
            },
        )
        self._require_no_pause(write, firing, now)
        if not firing.manual:
            write.names["#last"] = "last"
            write.values |= {":position": firing.position, ":attempt": firing.dedup_key}
            write.sets.append("last_attempt = :attempt")
            write.conditions += [TICK_NOT_DONE, ATTEMPT_NOT_MADE]
        return write

    def _require_no_pause(self, write: _Write, firing: Firing, now: datetime) -> None:
        """Add the conditions on pauses and on the budget."""
        if firing.plan:
            # Neither the brake nor the budget holds back a plan: the operator who applies it has seen its size.
            write.values[":brake"] = BRAKE
            write.conditions.append(NOT_PAUSED_EXCEPT_BY_THE_BRAKE)
            return
        write.conditions.append(NOT_PAUSED)
        if self.budget:
            from shared.run import budget_usage

            condition, names, values = budget_usage.claim_condition(self.budget, now)
            write.names |= names
            write.values |= values
            write.conditions.append(condition)

    def _write(
        self, claim: Claim, sets: str, names: Mapping[str, str], values: Mapping[str, Any], remove: Sequence[str] = ()
    ) -> None:
        required = {":run": claim.run, ":fence": claim.fence}
        if claim.budget_usage:
            sets, required = f"{sets}, spent = :spent", {**required, ":spent": claim.budget_usage.row}
        if not table.update_if(
            self.cloud,
            STATE,
            self.key,
            f"SET {sets}" + (f" REMOVE {', '.join(remove)}" if remove else ""),
            {**values, **required},
            "#run = :run AND fence = :fence",
            names={"#run": "run", **names},
        ):
            raise Fenced(f"{self.job.name} {self.target}: run {claim.run} lost its lease to a later run")

    def _store(self, claim: Claim, checkpoint: Any) -> str:
        inline = checkpoints.INLINE_BESIDE_A_BUDGET if self.budget else checkpoints.INLINE_CHECKPOINT
        return checkpoints.store(self.cloud, self.job.name, self.target, claim.fence, checkpoint, inline)

    def _claim(self, run: str, fence: int, item: Mapping[str, Any], holder: str | None) -> Claim:
        expired = holder if holder and holder != "-" else None
        return Claim(
            run,
            fence,
            checkpoints.load(self.cloud, self.job.name, self.target, item.get("checkpoint")),
            expired,
            before=item.get("status") or {},
            last=item.get("last", ""),
            interrupted_at=item.get("last_attempt", "") if expired else "",
            partial_pauses="partial_pauses" in item,
            budget_usage=self.usage(item, self.cloud.clock.now()),
        )


def position_and_attempt(dedup_key: str) -> tuple[str, int]:
    """Return position and attempt of the firing with this key.

    `("", 0)` for an empty one.
    """
    minute, part, sequence, _ = dedup_key.split("#") if dedup_key else ("", "", "0", "")
    return f"{minute}#{part}" if dedup_key else "", int(sequence) % SEQUENCE_STEP


def _refusal(item: Mapping[str, Any], firing: Firing, now: datetime, usage: BudgetUsage | None) -> ClaimRefusal:
    """Find the reason in the item as it stood at the refusal."""
    run, last_attempt = item.get("run", ""), item.get("last_attempt", "")
    if "paused" in item and not (firing.plan and str(item["paused"]).startswith(BRAKE)):
        return ClaimRefusal(Reason.PAUSED, run, note=str(item["paused"]))
    if not firing.manual:
        last = item.get("last", "")
        if last > firing.position:
            return ClaimRefusal(Reason.SUPERSEDED, run, note=f"a later tick, {last}, is done")
        if last == firing.position or (last_attempt.startswith(firing.position) and last_attempt >= firing.dedup_key):
            return ClaimRefusal(Reason.DEDUPLICATED, run, note=f"this tick was taken by {run}")
    if usage and usage.used_up:
        return ClaimRefusal(Reason.PAUSED, run, note=usage.pause_reason, budget_usage=usage)
    wait = max(0, -((clock.milliseconds(now) - item.get("lease_until", 0)) // 1000))
    return ClaimRefusal(Reason.LOCKED, run, wait, f"{item.get('holder', run)} holds the lease for {wait} s more")
