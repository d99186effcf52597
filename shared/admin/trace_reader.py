"""Reads of a trace, in the order of what explains most."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import cast

from shared import clock
from shared.admin import missed_tick
from shared.admin.trace import FAILURES, GATED, HIDDEN_ATTRIBUTES, UNKNOWN, Trace
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET
from shared.job import manifest
from shared.job.declared_job import DeclaredJob
from shared.job.definition import Job
from shared.job.setting import SettingError
from shared.ledger import expected_since, ledger
from shared.ledger.daily import DailyLedger
from shared.ledger.ledger import TickOutcome, TickRecord
from shared.plans import BRAKE
from shared.run import lost_runs, pauses
from shared.run.claim_write import without_ended_pauses
from shared.run.firing import Firing
from shared.run.gates import first_closed
from shared.run.pauses import TARGET, WHOLE
from shared.store import keys, table
from shared.tables import STATE

MAX_READS = 5
# Periods in which the last tick is looked for, one after the other; that of most jobs is in the first.
LOOK_BACK = tuple(map(timedelta, (0.1, 2, 40, 400, 1500)))
# How long the runs and retries of a tick take; only those of the evening reach into the rows of the next day.
RETRY_TIME = timedelta(hours=2)


def trace(cloud: Cloud, job: Job | DeclaredJob, at: datetime | None = None, target: str = NO_TARGET) -> Trace:
    """Read the trace of a past minute's tick (default: the last)."""
    now = cloud.clock.now()
    minute = (at or now).astimezone(UTC).replace(second=0, microsecond=0)
    entry = job.entry if isinstance(job, DeclaredJob) else manifest.of([job])[job.name]
    result = Trace(cast("Job", job), now, minute, last_tick(entry, minute), target)
    if at is None and result.tick:
        result.minute = result.tick
    _Reader(cloud, entry, result).read(with_minute=at is not None)
    return result


def last_tick(entry: manifest.Entry, until: datetime) -> datetime | None:
    """Return the last tick at this minute or before it."""
    for period in LOOK_BACK:
        if ticks := ledger.expected_ticks(entry, until - period, until + ledger.MINUTE):
            return ticks[-1]
    return None


class _Reader:
    """Reads in the order of what explains most; stops at MAX_READS."""

    def __init__(self, cloud: Cloud, entry: manifest.Entry, result: Trace) -> None:
        self.cloud = cloud
        self.entry = entry
        self.result = result

    def read(self, with_minute: bool) -> None:
        result, job = self.result, self.result.job
        self._count(self._claim)
        if not with_minute and result.whole_tick:
            self._prefer_missed_tick()
        if "partial_pauses" in result.claim:
            self._count(self._partial_pauses)
        if str(result.claim.get("paused", "")).startswith(BRAKE):
            self._count(self._braked_plan)
        if result.whole_tick and result.target != NO_TARGET:
            self._count(self._host_status)
        if result.tick or with_minute:
            self._runs_of_days(result.tick or result.minute)
        self._judge()
        outcome = result.record.outcome
        failing = result.tick is None and not result.claim.get("status", {}).get("ok", True)
        if outcome in FAILURES or job.queue or failing:
            self._count(self._dead_letter)
        for queue in filter(None, (job.queue, job.dead_queue() if job.queue else None)):
            self._count(lambda queue=queue: self._queued(queue))  # type: ignore[misc]
        if outcome is TickOutcome.LATE and result.whole_tick:
            self._count(self._gap)
        if outcome in GATED:
            self._count(self._gate)
        if result.whole_tick and (outcome is TickOutcome.MISSED or (outcome is TickOutcome.LATE and result.gap)):
            self._cause()

    def _prefer_missed_tick(self) -> None:
        """Explain the last settled tick if none was claimed since.

        The last tick of a job that fires often may still start, however long no event has arrived.
        """
        result, judged = self.result, last_tick(self.entry, self.result.now - ledger.SETTLING_TIME)
        if result.tick in (None, judged) or judged is None or result.lease_held:
            return
        newest = ledger.newest_claimed_tick(result.claim)
        if newest is None:
            self._count(self._expected_since)
            if result.expected_since is None or judged < result.expected_since:
                return
        elif newest >= judged:
            return
        result.tick = result.minute = judged

    def _runs_of_days(self, first: datetime) -> None:
        self._count(lambda: self._runs(first))
        if not self.result.runs and first.date() != min(self.result.now, first + RETRY_TIME).date():
            self._count(lambda: self._runs((first + timedelta(days=1)).replace(hour=0, minute=0)))

    def _count(self, read: Callable[[], None]) -> None:
        if self.result.reads < MAX_READS:
            self.result.reads += 1
            read()

    def _judge(self) -> None:
        """Set the record of the tick.

        It is from a row, or else from the daily ledger, the gap row and the list of expected ticks.
        """
        result, tick = self.result, self.result.tick
        if tick is None:
            return
        # Rows of a shard count here as if they were of the whole tick.
        record = ledger.from_runs([{**row, "target": NO_TARGET} for row in result.runs], self.entry).get(tick)
        if record is None and result.whole_tick:
            record = self._from_daily_ledger(tick)
        if record is None:
            record = ledger.judge(self.entry, [tick], {}, result.claim, result.now)[tick]
            if not result.in_ledger or (result.expected_since is not None and tick < result.expected_since):
                record = UNKNOWN
        result.record = record

    def _from_daily_ledger(self, tick: datetime) -> TickRecord | None:
        result = self.result
        if result.runs_now or result.now - tick < ledger.SETTLING_TIME:
            return None
        records: dict[datetime, TickRecord] = {}
        self._count(lambda: records.update(DailyLedger(self.cloud, result.job.name).read(tick, tick)))
        result.from_daily_ledger = tick in records
        if not result.from_daily_ledger or records[tick].outcome is TickOutcome.MISSED:
            self._count(self._gap)
        if not result.from_daily_ledger and not result.gap and result.expected_since is None:
            self._count(self._expected_since)
        return records.get(tick)

    def _claim(self) -> None:
        result = self.result
        item = lost_runs.claim_item(self.cloud, self.entry, result.target)
        result.claim = without_ended_pauses(item, result.now)
        # An invalid budget is the error of the runs themselves.
        with suppress(SettingError):
            allowed = result.job.allowance(self.cloud.environment)
            if allowed and (result.job.shards == 1 or result.target != NO_TARGET):
                from shared.run import budget_usage

                result.budget_usage = budget_usage.from_item(allowed, result.claim, result.now)

    def _partial_pauses(self) -> None:
        """Read who paused which target or tenant, and why."""
        found, target = pauses.read(self.cloud, self.result.job.name), self.result.target
        self.result.partial_pauses = {
            part: pause
            for part, pause in found.items()
            if part != WHOLE and (not part.startswith(f"{TARGET}#") or target in (NO_TARGET, part.partition("#")[2]))
        }

    def _braked_plan(self) -> None:
        row = table.get(self.cloud, STATE, keys.brake(self.result.job.name, self.result.target), consistent=False)
        self.result.braked_plan = str((row or {}).get("plan") or "")

    def _host_status(self) -> None:
        key = keys.claim(self.entry["key"], self.result.target)
        self.result.host_status = table.get(self.cloud, STATE, key, consistent=False)

    def _runs(self, since: datetime) -> None:
        """Read one page of a day's rows, from the tick on.

        The runs of a tick start soon after it.
        """
        result, target = self.result, NO_TARGET if self.result.whole_tick else self.result.target
        values = {
            ":pk": keys.runs(result.job.name, since.date()),
            ":start": f"{since - ledger.CLOCK_SKEW:%Y%m%dT%H%M%S}",
            ":minute": clock.minute(result.minute)[:-1],
        }
        wanted, names = "begins_with(#started, :minute)", {"#started": "started"}
        if result.tick:
            wanted, names["#tick"], values[":tick"] = f"{wanted} OR begins_with(#tick, :tick)", "tick", result.position
        condition = "pk = :pk AND sk >= :start"
        rows, _ = table.query_page(self.cloud, STATE, condition, values, names=names, FilterExpression=wanted)
        for row in rows:
            own = row.get("tick") == result.position and row.get("target", NO_TARGET) == target
            if row.get("outcome") != TickOutcome.MISSED:
                shown = {name: value for name, value in row.items() if name not in HIDDEN_ATTRIBUTES}
                (result.runs if own else result.other_runs).append({"run": row["sk"], **shown})

    def _gap(self) -> None:
        """Find the gap row of the tick.

        Its key is the gap's first tick, and few other rows are written during a gap.
        """
        tick = self.result.tick
        assert tick is not None
        values = {":pk": keys.runs(self.result.job.name, tick.date()), ":sk": f"{tick:%Y%m%dT%H%M%S}.001"}
        condition = "pk = :pk AND sk < :sk"
        rows, _ = table.query_page(self.cloud, STATE, condition, values, ScanIndexForward=False, Limit=25)
        self.result.gap = next((row for row in rows if tick in ledger.from_gaps([row], self.entry)), {})

    def _cause(self) -> None:
        """Read why the tick was missed; not limited by MAX_READS."""
        result = self.result
        assert result.tick is not None
        result.cause = missed_tick.read(self.cloud, result.job, result.tick)
        result.dead_letter = result.dead_letter or result.cause.dead_letter

    def _expected_since(self) -> None:
        self.result.expected_since = expected_since.since(expected_since.read(self.cloud), self.result.job.name)
        self.result.in_ledger = self.result.expected_since is not None

    def _dead_letter(self) -> None:
        """Find the dead letter of these runs, or the job's newest one."""
        result = self.result
        newest = result.tick is None
        first = "" if newest else min((row.get("started", "") for row in result.runs), default="")
        rows, _ = table.query_page(
            self.cloud,
            STATE,
            "pk = :pk AND sk > :sk",
            {":pk": keys.dead_letters(result.job.name), ":sk": first or "0"},
            ScanIndexForward=not newest,
            Limit=1 if newest else 100,
        )
        ids = {row["run"] for row in result.runs}
        ids |= {row["correlationId"] for row in result.runs if "correlationId" in row}
        matching = (row for row in rows if newest or {row.get("jobId"), row.get("correlationId")} & ids)
        result.dead_letter = next(matching, {})

    def _queued(self, queue: str) -> None:
        answer = self.cloud.sqs.get_queue_attributes(
            QueueUrl=self.cloud.names.queue_url(queue), AttributeNames=["ApproximateNumberOfMessages"]
        )
        self.result.queued[queue] = int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def _gate(self) -> None:
        """Evaluate the gates by the function's settings, or by this process's."""
        result, environment = self.result, self.cloud.environment
        functions = self.cloud.functions
        with suppress(functions.exceptions.ResourceNotFoundException):
            config = functions.get_function_configuration(FunctionName=self.cloud.names.function(result.job.name))
            environment = config.get("Environment", {}).get("Variables", {})
        firing = Firing(result.job.name, result.now, target=result.target)
        gate = first_closed(result.job, firing, Cloud(self.cloud.names, self.cloud.clock, environment))
        result.closed_gate = gate.note if gate else None
