"""The claim: lease, tick, fencing token and checkpoint in one item.

One conditional write takes it, one returns it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.job import lease_margin
from shared.job.definition import Job
from shared.job.outcome import Reason
from shared.run import checkpoint as checkpoints
from shared.run import streaks
from shared.run.claim_refusal import ClaimRefusal, refusal
from shared.run.claim_write import HOLDS_LEASE, ahead, claim_write, manual_label, without_ended_pauses
from shared.run.firing import SEQUENCE_STEP, Firing
from shared.store import keys, table
from shared.store.fencing import Fenced
from shared.store.table import ConditionFailed
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.run.budget_usage import BudgetUsage

# Default of NIGHTSHIFT_LEASE_MARGIN, in seconds.
LEASE_MARGIN = int(lease_margin.LEASE_MARGIN.default)
# Bytes of the claim item, so that each write to it costs one unit.
ITEM_LIMIT = 1024

# Attributes that the item has only while a run holds it.
CLAIM_ATTRIBUTES = ("holder", "lease_until", "step", "progress")

# Name the run whose status the item has, and its work.
ENDED = ("ended", "ended_for")
# Begin `ended_for`: of a tick's attempt, and of a manual request.
OF_TICK, OF_REQUEST = "t", "m"
# Minute, part and sequence of a tick, in few bytes: t260302120500001.
ATTEMPT = re.compile(OF_TICK + "([0-9]{2})" * 6 + "([0-9]{3})")


@dataclass(frozen=True, slots=True)
class Held:
    """Work of the run that last claimed an item."""

    #: Position of its tick, or the id of its manual request; empty where it is unknown.
    tick: str = ""
    #: Number of its attempt; 0 where it is unknown, and for a manual run.
    attempt: int = 0
    #: Whether it repeats an attempt, which the streak has counted.
    repeated: bool = False
    #: Whether it continues the tick of an earlier part.
    continued: bool = False

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Held:
        """Return it from a claim item.

        `last_attempt` is of the last tick, which a manual run leaves alone.
        """
        if "manual" in item:
            return cls(str(item["manual"]))
        return cls.of_attempt(str(item.get("last_attempt", "")))

    @classmethod
    def of_finished(cls, item: Mapping[str, Any]) -> Held:
        """Return the work of the run that last finished."""
        text = str(item.get("ended_for", ""))
        match = ATTEMPT.fullmatch(text)
        if not match:
            return cls(text[1:])
        year, month, day, hour, minute, part, sequence = match.groups()
        return cls.of_attempt(f"20{year}-{month}-{day}T{hour}:{minute}Z#{part}#{sequence}#")

    @classmethod
    def of_attempt(cls, attempt: str) -> Held:
        """Parse `2026-11-21T22:05Z#00#001#01`; empty text is unknown work."""
        if not attempt:
            return cls()
        minute, part, sequence, _ = attempt.split("#")
        return cls(f"{minute}#{part}", int(sequence) % SEQUENCE_STEP, int(sequence) > 1, part != "00")


@dataclass(frozen=True, slots=True)
class Claim:
    """The exclusive right to run, as taken."""

    #: Id of the run that holds it.
    run: str
    #: Fencing token: grows with every claim of the item.
    fence: int
    #: Checkpoint that the last run left, or None.
    checkpoint: Any
    #: Status that the last finished run left.
    before: Mapping[str, Any]
    #: Position of the last tick that is done.
    last: str = ""
    #: Records of streaks that ended, which job-monitoring has not removed yet.
    ended_streaks: Sequence[Mapping[str, Any]] = ()
    #: What the run that last finished worked for; empty where it is unknown.
    held_before: Held = Held()
    #: Id of the run that last finished; its history row may be missing. Empty where it is unknown.
    finished_before: str = ""
    #: Position ahead of the clock that this claim overrules; empty without one.
    quarantined: str = ""
    #: Where the checkpoint is, see `Firing.place`; empty for the claim item.
    place: str = ""
    #: Whether a target or tenant of the job is paused.
    partial_pauses: bool = False
    #: Text of the outcomes of effects that the run before could not write, see known_outcomes.
    known_outcomes: str = ""
    #: What is spent of the job's budget; None for a job without a budget.
    budget_usage: BudgetUsage | None = None


class Claims:
    """Access to the claim item of one job and target."""

    def __init__(self, cloud: Cloud, job: Job, target: str) -> None:
        self.cloud = cloud
        self.job = job
        self.target = target
        self.key = keys.claim(job.key, target)
        self.budget = job.allowance(cloud.environment)
        self.lease_seconds = lease_margin.lease_seconds(job.timeout, cloud.environment)

    def take(self, firing: Firing, run: str, request: str, interrupted: str = "") -> Claim | ClaimRefusal:
        """Claim the item for `run` with one conditional write.

        request: Lambda's request id. interrupted: the run before, if the caller has recorded it as lost.

        The old item comes back either way: with the checkpoint, or with the reason for the refusal.
        """
        now = self.cloud.clock.now()
        write = claim_write(firing, run, request, now, self.lease_seconds, self.budget, interrupted)
        try:
            before = table.update(
                self.cloud,
                STATE,
                self.key,
                write.expression,
                write.values,
                condition=write.condition,
                names=write.names,
            )
        except ConditionFailed as refused:
            item = refused.item
            if item.get("holder") == run:
                # Our first write succeeded, but its reply was lost.
                return self._expired(now) or self._claim(run, firing, item["fence"], item)
            return refusal(item, firing, now, None if firing.plan else self.usage(item, now))
        fence = before.get("fence", 0) + 1
        return self._expired(now) or self._claim(run, firing, fence, before)

    def _expired(self, now: datetime) -> ClaimRefusal | None:
        """Refuse a claim whose lease, from `now` on, is over already.

        A process that was frozen in the call compared the item with a time long past: later ticks may be done.
        """
        if self.cloud.clock.now() < now + timedelta(seconds=self.lease_seconds):
            return None
        return ClaimRefusal(Reason.LOCKED, note="the lease had expired when the claim was answered")

    def finish(self, claim: Claim, firing: Firing, status: Mapping[str, Any], checkpoint: Any, success: bool) -> None:
        """Write status and checkpoint, and release the lease. Raises Fenced.

        A success moves `last`. A repeat after a lost reply meets the same run and fence and writes the same values;
        what is spent of the budget is written as the new sum, not as an increment.
        """
        place = self._place(claim.place, claim.fence)
        stored = None
        if success and checkpoint is not None:
            # Before the lease is released: the next part finds it.
            stored = place.put(checkpoint) if place else self._store(claim, checkpoint)
        done_for = f"{OF_REQUEST}{manual_label(firing)}" if firing.manual else _attempt(firing)
        values: dict[str, Any] = {":status": dict(status), ":state": "COMPLETED" if success else "FAILED"}
        values[":for"] = done_for
        names = {"#state": "state", "#status": "status"}
        # The later claims leave them until the next finish: a run whose row is missing is known until then.
        update = "#status = :status, #state = :state, ended = :run, ended_for = :for"
        remove = list(CLAIM_ATTRIBUTES)
        if success and not firing.manual:
            update += ", #last = :position"
            names["#last"] = "last"
            values[":position"] = firing.position
        if claim.before.get("streak") and not status.get("streak"):
            # As read by the claim, so that a repeat writes the same. A record that was removed since is alerted once.
            update += f", {streaks.ENDED} = :ended"
            values[":ended"] = streaks.added(claim.ended_streaks, streaks.ended(claim.before, status["lastGood"]))
        if claim.quarantined and not firing.manual:
            update += ", quarantined = :quarantined"
            values[":quarantined"] = claim.quarantined
        if place is None and stored is not None:
            update += ", checkpoint = :checkpoint"
            values[":checkpoint"] = stored
        elif place is None and success:
            remove.append("checkpoint")
        self._write(claim, update, names, values, remove)
        if place is not None and success and checkpoint is None:
            # After it: the run of a crash in between starts where it ended.
            place.delete()

    def save(self, claim: Claim, checkpoint: Any) -> None:
        """Save a checkpoint while the work goes on.

        Raises Fenced, which ends a run that lost its lease.
        """
        place = self._place(claim.place, claim.fence)
        if place is not None:
            self._write(claim, "#run = :run", {}, {})
            place.put(checkpoint)
            return
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

    def _write(
        self, claim: Claim, sets: str, names: Mapping[str, str], values: Mapping[str, Any], remove: Sequence[str] = ()
    ) -> None:
        required: dict[str, Any] = {":run": claim.run, ":fence": claim.fence}
        if claim.budget_usage:
            sets, required = f"{sets}, spent = :spent", {**required, ":spent": claim.budget_usage.row}
        if not table.update_if(
            self.cloud,
            STATE,
            self.key,
            f"SET {sets}" + (f" REMOVE {', '.join(remove)}" if remove else ""),
            {**values, **required},
            HOLDS_LEASE,
            names={"#run": "run", **names},
        ):
            raise Fenced(f"{self.job.name} {self.target}: run {claim.run} lost its lease; it had expired")

    def _store(self, claim: Claim, checkpoint: Any) -> str:
        inline = checkpoints.INLINE_BESIDE_A_BUDGET if self.budget else checkpoints.INLINE_CHECKPOINT
        return checkpoints.store(self.cloud, self.job.name, self.target, claim.fence, checkpoint, inline)

    def _place(self, place: str, fence: int) -> checkpoints.Place | None:
        """Return the checkpoint row of a plan or manual run, if any."""
        return checkpoints.Place(self.cloud, self.job.name, self.target, place, fence) if place else None

    def _claim(self, run: str, firing: Firing, fence: int, item: Mapping[str, Any]) -> Claim:
        last, now = item.get("last", ""), self.cloud.clock.now()
        place = self._place(firing.place, fence)
        stored = item.get("checkpoint")
        checkpoint = place.load() if place else checkpoints.load(self.cloud, self.job.name, self.target, stored)
        return Claim(
            run,
            fence,
            checkpoint,
            before=item.get("status") or {},
            last=last,
            ended_streaks=item.get(streaks.ENDED, ()),
            held_before=Held.of_finished(item),
            finished_before=item.get("ended", ""),
            quarantined=last if last > ahead(now) else "",
            place=firing.place,
            partial_pauses="partial_pauses" in without_ended_pauses(item, now),
            known_outcomes=item.get("known_outcomes", ""),
            budget_usage=self.usage(item, now),
        )


def _attempt(firing: Firing) -> str:
    return f"{OF_TICK}{firing.at.astimezone(UTC):%y%m%d%H%M}{firing.part:02d}{firing.sequence:03d}"
