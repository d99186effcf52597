"""What is on record about one tick, or one minute, of a job: at most five reads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET, STATE
from shared.job import manifest
from shared.job.definition import Job
from shared.job.settings import SettingError
from shared.ledger import expected_since, ledger
from shared.ledger.daily import DailyLedger
from shared.ledger.ledger import TickOutcome, TickRecord
from shared.run import lost_runs
from shared.run.firing import Firing
from shared.run.gates import first_closed
from shared.tables import TTL

if TYPE_CHECKING:
    from shared.run.budget_usage import BudgetUsage

MAX_READS = 5
# Back to the last tick: most jobs' is found in the first.
LOOK_BACK = tuple(map(timedelta, (0.1, 2, 40, 400, 1500)))
# A tick's runs and retries are over so long after it; only then do they reach into the next day.
RETRY_TIME = timedelta(hours=2)
GATED = (TickOutcome.DISABLED, TickOutcome.FORBIDDEN)
HIDDEN_ATTRIBUTES = ("pk", "sk", "duplicate", TTL)
UNKNOWN = TickRecord(TickOutcome.UNKNOWN)
FAILURES = (TickOutcome.FAILED, TickOutcome.REFUSED, TickOutcome.LOST)


@dataclass(slots=True)
class Trace:
    """tick: the tick asked about, or the last one before the time asked for; None for a job without a schedule.

    item: the claim item. host: the status item of a target that shares its run with others. runs: rows of the tick and
    target, the oldest first; others: rows of runs that started in the minute asked for, for something else. gap: the
    row of the missed ticks that this is one of. listed: whether the reconciler knows the job, since: from when on.
    dead: its dead letter; the newest, for a job without ticks. waiting: messages in its queues. gate: what a shut gate
    says now. purse: how its budget stands, by the settings here. reads: how many it took.
    """

    job: Job
    now: datetime
    minute: datetime
    tick: datetime | None
    target: str
    claim: dict[str, Any] = field(default_factory=dict)
    host_status: dict[str, Any] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    other_runs: list[dict[str, Any]] = field(default_factory=list)
    record: TickRecord = UNKNOWN
    gap: dict[str, Any] = field(default_factory=dict)
    from_daily_ledger: bool = False
    in_ledger: bool = True
    expected_since: datetime | None = None
    dead_letter: dict[str, Any] = field(default_factory=dict)
    queued: dict[str, int] = field(default_factory=dict)
    closed_gate: str | None = None
    budget_usage: BudgetUsage | None = None
    reads: int = 0

    @property
    def position(self) -> str:
        return f"{clock.minute(self.tick)}#00" if self.tick else ""

    @property
    def whole_tick(self) -> bool:
        """Whether the tick as such is asked about, and not one of its shards."""
        return self.target == NO_TARGET or not self.job.lease_per_target

    @property
    def lease_held(self) -> bool:
        """Whether somebody holds the lease, and has not let it run out."""
        return "holder" in self.claim and not lost_runs.lease_expired(self.claim, self.now)

    def data(self) -> dict[str, Any]:
        """All of it as JSON says it."""
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
            "lease": lease,
            "paused": self.claim.get("paused"),
            "gate": self.closed_gate,
            "budget": self.budget_usage.facts if self.budget_usage else None,
            "dead_letter": self.dead_letter.get("id"),
            "waiting": self.queued or None,
            "reads": self.reads,
        }


def trace(cloud: Cloud, job: Job, at: datetime | None = None, target: str = NO_TARGET) -> Trace:
    """at: a time in the past, in its minute; None is the last tick."""
    now = cloud.clock.now()
    asked = (at or now).astimezone(UTC).replace(second=0, microsecond=0)
    entry = manifest.of([job])[job.name]
    found = Trace(job, now, asked, last_tick(entry, asked), target)
    if at is None and found.tick:
        found.minute = found.tick
    _Reader(cloud, entry, found).read(timed=at is not None)
    return found


def last_tick(entry: manifest.Entry, until: datetime) -> datetime | None:
    """The last one at that minute or before it."""
    for span in LOOK_BACK:
        if ticks := ledger.expected_ticks(entry, until - span, until + ledger.MINUTE):
            return ticks[-1]
    return None


class _Reader:
    def __init__(self, cloud: Cloud, entry: manifest.Entry, found: Trace) -> None:
        self.cloud = cloud
        self.entry = entry
        self.found = found
        self.table = cloud.names.table(STATE)

    def read(self, timed: bool) -> None:
        found, job = self.found, self.found.job
        self._count(self._claim)
        if found.whole_tick and found.target != NO_TARGET:
            self._count(self._host)
        if found.tick or timed:
            self._days(found.tick or found.minute)
        self._judge()
        verdict = found.record.outcome
        if (
            verdict in FAILURES
            or job.queue
            or (found.tick is None and not found.claim.get("status", {}).get("ok", True))
        ):
            self._count(self._letter)
        for queue in filter(None, (job.queue, job.dead_queue() if job.queue else None)):
            self._count(lambda queue=queue: self._waiting(queue))  # type: ignore[misc]
        if verdict is TickOutcome.LATE and found.whole_tick:
            self._count(self._gap)
        if verdict in GATED:
            self._count(self._gate)

    def _days(self, first: datetime) -> None:
        self._count(lambda: self._runs(first))
        if not self.found.runs and first.date() != min(self.found.now, first + RETRY_TIME).date():
            self._count(lambda: self._runs((first + timedelta(days=1)).replace(hour=0, minute=0)))

    def _count(self, read: Callable[[], None]) -> None:
        if self.found.reads < MAX_READS:
            self.found.reads += 1
            read()

    def _judge(self) -> None:
        """The verdict; where no row tells it, from the ledger's memory, the row of a gap, and the roster."""
        found, tick = self.found, self.found.tick
        if tick is None:
            return
        told = ledger.from_runs([{**row, "target": NO_TARGET} for row in found.runs], self.entry).get(tick)
        if told is None and found.whole_tick:
            told = self._remembered(tick)
        if told is None:
            told = ledger.judge(self.entry, [tick], {}, found.claim, found.now)[tick]
            if not found.in_ledger or (found.expected_since is not None and tick < found.expected_since):
                told = UNKNOWN
        found.record = told

    def _remembered(self, tick: datetime) -> TickRecord | None:
        found = self.found
        at_work = found.lease_held and str(found.claim.get("last_attempt", "")).startswith(found.position)
        if at_work or found.now - tick < ledger.SETTLING_TIME:
            return None
        folded: dict[datetime, TickRecord] = {}
        self._count(lambda: folded.update(DailyLedger(self.cloud, found.job.name).read(tick, tick)))
        found.from_daily_ledger = tick in folded
        if not found.from_daily_ledger or folded[tick].outcome is TickOutcome.MISSED:
            self._count(self._gap)
        if not found.from_daily_ledger and not found.gap:
            self._count(self._since)
        return folded.get(tick)

    def _claim(self) -> None:
        found = self.found
        found.claim = lost_runs.claim_item(self.cloud, self.entry, found.target)
        # One that cannot be read is what its runs fail with.
        with suppress(SettingError):
            allowed = found.job.allowance(self.cloud.environment)
            if allowed and (found.job.shards == 1 or found.target != NO_TARGET):
                from shared.run import budget_usage

                found.budget_usage = budget_usage.from_item(allowed, found.claim, found.now)

    def _host(self) -> None:
        key = attributes.row({"pk": f"{self.entry['key']}:last", "sk": self.found.target})
        self.found.host_status = attributes.plain(self.cloud.dynamodb.get_item(TableName=self.table, Key=key).get("Item"))

    def _runs(self, since: datetime) -> None:
        """One page, from the tick on: what follows from it starts soon after it."""
        found, target = self.found, NO_TARGET if self.found.whole_tick else self.found.target
        day, start = f"runs#{found.job.name}#{since:%Y-%m-%d}", f"{since - ledger.CLOCK_SKEW:%Y%m%dT%H%M%S}"
        wanted = "begins_with(#started, :minute)" + (" OR begins_with(#tick, :tick)" if found.tick else "")
        values = {":pk": day, ":start": start, ":minute": clock.minute(found.minute)[:-1]}
        answer = self.cloud.dynamodb.query(
            TableName=self.table,
            KeyConditionExpression="pk = :pk AND sk >= :start",
            FilterExpression=wanted,
            ExpressionAttributeNames={"#started": "started"} | ({"#tick": "tick"} if found.tick else {}),
            ExpressionAttributeValues=attributes.row(values | ({":tick": found.position} if found.tick else {})),
        )
        for row in map(attributes.plain, answer["Items"]):
            mine = row.get("tick") == found.position and row.get("target", NO_TARGET) == target
            if row.get("outcome") != TickOutcome.MISSED:
                kept = {name: value for name, value in row.items() if name not in HIDDEN_ATTRIBUTES}
                (found.runs if mine else found.other_runs).append({"run": row["sk"], **kept})

    def _gap(self) -> None:
        """The row of a gap begins with its first tick; while a gap lasts, few others are written."""
        tick = self.found.tick
        assert tick is not None
        answer = self.cloud.dynamodb.query(
            TableName=self.table,
            KeyConditionExpression="pk = :pk AND sk < :sk",
            ExpressionAttributeValues=attributes.row(
                {":pk": f"runs#{self.found.job.name}#{tick:%Y-%m-%d}", ":sk": f"{tick:%Y%m%dT%H%M%S}.001"}
            ),
            ScanIndexForward=False,
            Limit=25,
        )
        for row in map(attributes.plain, answer["Items"]):
            if tick in ledger.from_gaps([row], self.entry):
                self.found.gap = row
                return

    def _since(self) -> None:
        self.found.expected_since = expected_since.since(expected_since.read(self.cloud), self.found.job.name)
        self.found.in_ledger = self.found.expected_since is not None

    def _letter(self) -> None:
        """The dead letter of these runs; the newest where there is no tick that they would be of."""
        found = self.found
        newest = found.tick is None
        first = "" if newest else min((row.get("started", "") for row in found.runs), default="")
        answer = self.cloud.dynamodb.query(
            TableName=self.table,
            KeyConditionExpression="pk = :pk AND sk > :sk",
            ExpressionAttributeValues=attributes.row({":pk": f"dead#{found.job.name}", ":sk": first or "0"}),
            ScanIndexForward=not newest,
            Limit=1 if newest else 100,
        )
        ids = {row["run"] for row in found.runs} | {
            row["correlationId"] for row in found.runs if "correlationId" in row
        }
        for row in map(attributes.plain, answer["Items"]):
            if newest or {row.get("jobId"), row.get("correlationId")} & ids:
                found.dead_letter = row
                return

    def _waiting(self, queue: str) -> None:
        answer = self.cloud.sqs.get_queue_attributes(
            QueueUrl=self.cloud.names.queue_url(queue), AttributeNames=["ApproximateNumberOfMessages"]
        )
        self.found.queued[queue] = int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def _gate(self) -> None:
        """As the function is set now; where there is none, as this process is."""
        found, environment = self.found, self.cloud.environment
        functions = self.cloud.functions
        with suppress(functions.exceptions.ResourceNotFoundException):
            config = functions.get_function_configuration(FunctionName=self.cloud.names.function(found.job.name))
            environment = config.get("Environment", {}).get("Variables", {})
        firing = Firing(found.job.name, found.now, target=found.target)
        shut = first_closed(found.job, firing, Cloud(self.cloud.names, self.cloud.clock, environment))
        found.closed_gate = shut.note if shut else None
