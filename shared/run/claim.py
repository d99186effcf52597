"""Lease, tick, fencing token and checkpoint in one item: one conditional write takes it, one gives it back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws import attributes
from shared.aws.names import STATE
from shared.job.definition import Job
from shared.job.outcome import Reason
from shared.plans import BRAKE
from shared.run.firing import TURNS, Firing
from shared.store.fencing import Fenced
from shared.tables import TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.run.budget_usage import BudgetUsage

# Lambda ends a run at its timeout; clocks of two machines may differ by this much.
LEASE_MARGIN = 10
# An item over 1,024 bytes doubles the price of every write to it; names, keys and status take up to about 700.
INLINE_CHECKPOINT = 200
# Where what was spent of a budget stands there too.
INLINE_BESIDE_A_BUDGET = 100
ITEM_LIMIT = 1024
# Superseded rows go by their TTL; a job that continues after longer than this starts over, which is idempotent.
CHECKPOINT_KEPT = timedelta(days=90)

# What an item carries only while somebody holds it.
CLAIM_ATTRIBUTES = ("holder", "corpse", "lease_until", "step", "progress")

# One condition, in named parts.
TICK_NOT_DONE = "(attribute_not_exists(#last) OR #last < :position)"
# An attempt moves `tried`, so that a second delivery of a failed one starts no second chain of retries. Where the
# holder died (`holder` still there, lease over) the attempt may be repeated.
ATTEMPT_NOT_MADE = (
    "(attribute_not_exists(tried) OR NOT begins_with(tried, :position) OR tried < :mark OR attribute_exists(holder))"
)
NOBODY_HOLDS_IT = "(attribute_not_exists(lease_until) OR lease_until < :now)"
NOT_PAUSED = "attribute_not_exists(paused)"
NOT_PAUSED_BUT_BY_THE_BRAKE = f"({NOT_PAUSED} OR begins_with(paused, :brake))"


@dataclass(frozen=True, slots=True)
class Claim:
    """The exclusive right to run, as taken.

    fence grows with every claim of the item. corpse is the id of a run that died holding it, died_on the mark of its
    firing, as far as that is known. before is the status that the last finished run left, last the position of the
    last tick done. partly: some target or tenant of the job is paused. purse: of a job that has a budget.
    """

    run: str
    fence: int
    checkpoint: Any
    expired_holder: str | None
    before: Mapping[str, Any]
    last: str = ""
    interrupted_at: str = ""
    partly: bool = False
    budget_usage: BudgetUsage | None = None


@dataclass(frozen=True, slots=True)
class ClaimRefusal:
    """Why there is no claim: the winner's run for a duplicate, the end of the lease in seconds for a locked one, the
    purse where it is the budget that is used up.
    """

    reason: Reason
    run: str = ""
    wait: int = 0
    note: str = ""
    budget_usage: BudgetUsage | None = None


class Claims:
    def __init__(self, cloud: Cloud, job: Job, target: str) -> None:
        self.cloud = cloud
        self.job = job
        self.target = target
        self.table = cloud.names.table(STATE)
        self.key = attributes.row({"pk": f"{job.key}:last", "sk": target})
        self.budget = job.allowance(cloud.environment)

    def take(self, firing: Firing, run: str, request: str) -> Claim | ClaimRefusal:
        """One conditional write. ALL_OLD comes back either way: the checkpoint, or the reason for the refusal."""
        now = self.cloud.clock.now()
        names = {"#run": "run", "#state": "state"}
        values: dict[str, Any] = {
            ":run": run,
            ":none": "-",
            ":now": clock.milliseconds(now),
            ":until": clock.milliseconds(now) + (self.job.timeout + LEASE_MARGIN) * 1000,
            ":one": 1,
            ":invocation": request,
            ":started": clock.iso(now),
            ":processing": "PROCESSING",
        }
        # `corpse` takes the old holder along, so that a claim whose reply was lost still learns of the dead.
        update = (
            "SET #run = :run, holder = :run, corpse = if_not_exists(holder, :none), lease_until = :until, "
            "invocation = :invocation, started = :started, #state = :processing"
        )
        conditions = [NOBODY_HOLDS_IT, *self._not_held_back(firing, now, names, values)]
        if not firing.manual:
            names["#last"] = "last"
            values |= {":position": firing.position, ":mark": firing.dedup_key}
            update += ", tried = :mark"
            conditions += [TICK_NOT_DONE, ATTEMPT_NOT_MADE]
        try:
            answer = self.cloud.dynamodb.update_item(
                TableName=self.table,
                Key=self.key,
                UpdateExpression=f"{update} REMOVE step, progress ADD fence :one",
                ConditionExpression=" AND ".join(conditions),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=attributes.row(values),
                ReturnValues="ALL_OLD",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self.cloud.ConditionalCheckFailed as error:
            found = attributes.plain(error.response.get("Item"))
            if found.get("holder") == run:
                # Ours: the first write won and its reply was lost on the way, with the mark that it wrote over.
                return self._claim(run, found["fence"], {**found, "tried": ""}, found.get("corpse"))
            return _refusal(found, firing, now, None if firing.plan else self._purse(found, now))
        before = attributes.plain(answer.get("Attributes"))
        return self._claim(run, before.get("fence", 0) + 1, before, before.get("holder"))

    def _not_held_back(
        self, firing: Firing, now: datetime, names: dict[str, str], values: dict[str, Any]
    ) -> Iterator[str]:
        """Conditions that no pause and no budget stands against it; their names and values are added."""
        if firing.plan:
            # No budget is asked for either: who carries out a plan has seen how much it is.
            values[":brake"] = BRAKE
            yield NOT_PAUSED_BUT_BY_THE_BRAKE
            return
        yield NOT_PAUSED
        if self.budget:
            from shared.run import budget_usage

            condition, more_names, more_values = budget_usage.condition(self.budget, now)
            names |= more_names
            values |= more_values
            yield condition

    def finish(self, claim: Claim, firing: Firing, status: Mapping[str, Any], checkpoint: Any, success: bool) -> None:
        """One write, only while the claim is ours. A success moves `last`. Raises Fenced.

        A repeat after a lost reply meets the same run and fence and writes the same values. That
        holds for what was spent too: it is the new sum, and not what to add.
        """
        stored = self._store(claim, checkpoint) if success and checkpoint is not None else None
        values: dict[str, Any] = {
            ":status": dict(status),
            ":state": "COMPLETED" if success else "FAILED",
        }
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
        """Keep a checkpoint while the work goes on. Raises Fenced, which ends a zombie."""
        stored = self._store(claim, checkpoint)
        self._write(claim, "checkpoint = :checkpoint", {}, {":checkpoint": stored})

    def progress(self, claim: Claim, step: str, percent: int) -> None:
        """Show how far the run is. Raises Fenced."""
        self._write(claim, "step = :step, progress = :percent", {}, {":step": step, ":percent": percent})

    def known(self, purse: BudgetUsage) -> None:
        """Write down that operators know how the budget stands, unless it has changed since it was read."""
        values = {":kept": purse.kept, ":of": str(purse.budget)}
        try:
            self.cloud.dynamodb.update_item(
                TableName=self.table,
                Key=self.key,
                UpdateExpression="SET spent.#of = :of",
                ConditionExpression="spent = :kept",
                ExpressionAttributeNames={"#of": "of"},
                ExpressionAttributeValues=attributes.row(values),
            )
        except self.cloud.ConditionalCheckFailed:
            return

    def _write(
        self, claim: Claim, sets: str, names: Mapping[str, str], values: Mapping[str, Any], remove: Sequence[str] = ()
    ) -> None:
        held = {":run": claim.run, ":fence": claim.fence}
        if claim.budget_usage:
            sets, held = f"{sets}, spent = :spent", {**held, ":spent": claim.budget_usage.row}
        try:
            self.cloud.dynamodb.update_item(
                TableName=self.table,
                Key=self.key,
                UpdateExpression=f"SET {sets}" + (f" REMOVE {', '.join(remove)}" if remove else ""),
                ConditionExpression="#run = :run AND fence = :fence",
                ExpressionAttributeNames={"#run": "run", **names},
                ExpressionAttributeValues=attributes.row({**values, **held}),
            )
        except self.cloud.ConditionalCheckFailed:
            raise Fenced(f"{self.job.name} {self.target}: run {claim.run} lost its lease to a later run") from None

    def _store(self, claim: Claim, checkpoint: Any) -> str:
        """The text for the claim item; a large checkpoint becomes a row of its own, written before the reference."""
        text = json.dumps(checkpoint, separators=(",", ":"))
        if len(text.encode()) <= (INLINE_BESIDE_A_BUDGET if self.budget else INLINE_CHECKPOINT):
            return text
        self.cloud.dynamodb.put_item(
            TableName=self.table,
            Item=attributes.row({**self._large(claim.fence), "checkpoint": text, TTL: self._expiry()}),
        )
        return f"@{claim.fence}"

    def _claim(self, run: str, fence: int, item: Mapping[str, Any], corpse: str | None) -> Claim:
        text = item.get("checkpoint")
        if text and text.startswith("@"):
            found = self.cloud.dynamodb.get_item(
                TableName=self.table, Key=attributes.row(self._large(int(text[1:]))), ConsistentRead=True
            )
            text = attributes.plain(found.get("Item")).get("checkpoint")
        checkpoint = json.loads(text) if text else None
        dead = corpse if corpse and corpse != "-" else None
        died_on = item.get("tried", "") if dead else ""
        before, last = item.get("status") or {}, item.get("last", "")
        purse = self._purse(item, self.cloud.clock.now())
        return Claim(run, fence, checkpoint, dead, before, last, died_on, partly="partly" in item, budget_usage=purse)

    def _purse(self, item: Mapping[str, Any], now: datetime) -> BudgetUsage | None:
        if self.budget is None:
            return None
        # Who has none does not pay for its import.
        from shared.run import budget_usage

        return budget_usage.of(self.budget, item, now)

    def _expiry(self) -> int:
        return int((self.cloud.clock.now() + CHECKPOINT_KEPT).timestamp())

    def _large(self, fence: int) -> dict[str, str]:
        # Named by the fence that wrote it: a zombie writes beside its successor's, never over it.
        return {"pk": f"checkpoint#{self.job.name}", "sk": f"{self.target}#{fence:012d}"}


def position_and_attempt(mark: str) -> tuple[str, int]:
    """The position and the attempt of the firing whose mark this is; `("", 0)` for no mark."""
    minute, part, turn, _ = mark.split("#") if mark else ("", "", "0", "")
    return f"{minute}#{part}" if mark else "", int(turn) % TURNS


def _refusal(item: Mapping[str, Any], firing: Firing, now: datetime, purse: BudgetUsage | None) -> ClaimRefusal:
    """Read from the item as it stood at the refusal."""
    run, tried = item.get("run", ""), item.get("tried", "")
    if "paused" in item and not (firing.plan and str(item["paused"]).startswith(BRAKE)):
        return ClaimRefusal(Reason.PAUSED, run, note=str(item["paused"]))
    if not firing.manual:
        last = item.get("last", "")
        if last > firing.position:
            return ClaimRefusal(Reason.SUPERSEDED, run, note=f"a later tick, {last}, is done")
        if last == firing.position or (tried.startswith(firing.position) and tried >= firing.dedup_key):
            return ClaimRefusal(Reason.DEDUPLICATED, run, note=f"this tick was taken by {run}")
    if purse and purse.used_up:
        return ClaimRefusal(Reason.PAUSED, run, note=purse.pause_reason, budget_usage=purse)
    wait = max(0, -((clock.milliseconds(now) - item.get("lease_until", 0)) // 1000))
    return ClaimRefusal(Reason.LOCKED, run, wait, f"{item.get('holder', run)} holds the lease for {wait} s more")
