"""One job in five reads: state, pauses, runs of a day, ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from shared import clock
from shared.admin.explain import Explanation, explain
from shared.admin.trace import HIDDEN_ATTRIBUTES, UNKNOWN, Trace
from shared.admin.trace_reader import last_tick
from shared.aws.names import NO_TARGET
from shared.job.declared_job import DeclaredJob
from shared.ledger import ledger
from shared.ledger.daily import records_of_day
from shared.ledger.ledger import TickRecords, merge
from shared.run import pauses
from shared.run.claim_write import without_ended_pauses
from shared.run.pauses import WHOLE, Pause
from shared.store import keys, table
from shared.tables import STATE, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.definition import Job
    from shared.job.manifest import Entry

LEDGER_DAYS = 30
MOST_RUNS = 100


@dataclass(slots=True)
class JobOverview:
    """The rows of one job."""

    name: str
    entry: Entry
    now: datetime
    day: date
    #: Claim and status items by target, without ended pauses; the job's own under `-`.
    items: dict[str, dict[str, Any]]
    pauses: dict[str, Pause] = field(default_factory=dict)
    #: History rows of the day, newest first, with their id as `run`.
    runs: list[dict[str, Any]] = field(default_factory=list)
    #: Whether the day has more rows than were read.
    more_runs: bool = False
    #: Outcomes of the ticks of LEDGER_DAYS days.
    ticks: TickRecords = field(default_factory=dict)
    dead_letter: dict[str, Any] = field(default_factory=dict)

    @property
    def own(self) -> Mapping[str, Any]:
        return self.items.get(NO_TARGET, {})

    @property
    def status(self) -> Mapping[str, Any]:
        status: Mapping[str, Any] = self.own.get("status") or {}
        return status

    @property
    def targets(self) -> dict[str, dict[str, Any]]:
        return {target: item for target, item in self.items.items() if target != NO_TARGET}

    def durations(self) -> tuple[int, int] | None:
        """Median and 95th percentile of the day's runs, in milliseconds."""
        taken = sorted(int(row["ms"]) for row in self.runs if "ms" in row)
        return (taken[len(taken) // 2], taken[min(len(taken) * 95 // 100, len(taken) - 1)]) if taken else None

    def explanation(self, stage: str) -> Explanation:
        """Explain the last tick, from the rows that were read."""
        job = cast("Job", DeclaredJob(self.name, self.entry))
        tick = last_tick(self.entry, self.now)
        trace = Trace(job, self.now, tick or self.now, tick, NO_TARGET, claim=dict(self.own))
        trace.partial_pauses = {part: each for part, each in self.pauses.items() if part != WHOLE}
        trace.dead_letter = self.dead_letter
        trace.runs = [row for row in reversed(self.runs) if tick and row.get("tick") == trace.position]
        if tick is not None:
            records = merge(self.ticks, ledger.from_runs(self.runs, self.entry))
            trace.record = records.get(tick) or UNKNOWN
            if tick not in records and self.now - tick < ledger.SETTLING_TIME:
                trace.record = ledger.judge(self.entry, [tick], {}, self.own, self.now)[tick]
        return explain(trace, stage)


def read(cloud: Cloud, name: str, entry: Entry, day: date | None = None) -> JobOverview:
    """Read a job, with the runs of a day.

    By default that of its last run.

    At most five queries: claim items, history, ledger, pauses if there are any, and the dead letter of a failing job.
    """
    now = cloud.clock.now()
    items = {
        row["sk"]: without_ended_pauses(row, now)
        for row in table.query(cloud, STATE, "pk = :pk", {":pk": keys.claims(entry["key"])}, ConsistentRead=True)
    }
    result = JobOverview(name, entry, now, day or _day_of_last_run(items.get(NO_TARGET, {}), now), items)
    _read_runs(cloud, result)
    _read_ledger(cloud, result)
    if any(item.keys() & {"paused", "partial_pauses"} for item in items.values()):
        result.pauses = pauses.in_force(cloud, name, items)
    if not result.status.get("ok", True):
        result.dead_letter = _newest_dead_letter(cloud, name)
    return result


def runs_of_day(cloud: Cloud, job: str, day: date, most: int = MOST_RUNS) -> tuple[list[dict[str, Any]], bool]:
    """History rows of a day, newest first; whether there are more.

    One query.
    """
    rows, following = table.query_page(
        cloud, STATE, "pk = :pk", {":pk": keys.runs(job, day)}, ScanIndexForward=False, Limit=most
    )
    now = cloud.clock.now().timestamp()
    # The TTL deletes late.
    return [_shown(row) for row in rows if row.get(TTL, now) >= now and "outcome" in row], bool(following)


def _read_runs(cloud: Cloud, result: JobOverview) -> None:
    result.runs, result.more_runs = runs_of_day(cloud, result.name, result.day)


def _read_ledger(cloud: Cloud, result: JobOverview) -> None:
    since = result.now - timedelta(days=LEDGER_DAYS)
    values = {":pk": keys.ledger(result.name), ":since": f"{since:%Y-%m-%d}"}
    days = table.query(cloud, STATE, "pk = :pk AND sk >= :since", values)
    stored = merge(*map(records_of_day, days))
    result.ticks = merge(
        stored, ledger.from_runs(result.runs, result.entry), ledger.from_gaps(result.runs, result.entry)
    )


def _newest_dead_letter(cloud: Cloud, job: str) -> dict[str, Any]:
    values = {":pk": keys.dead_letters(job)}
    rows, _ = table.query_page(cloud, STATE, "pk = :pk", values, ScanIndexForward=False, Limit=1)
    return rows[0] if rows else {}


def _day_of_last_run(item: Mapping[str, Any], now: datetime) -> date:
    at = str((item.get("status") or {}).get("at", ""))
    return clock.parse(at).astimezone(UTC).date() if at else now.date()


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"run": row["sk"], **{name: value for name, value in row.items() if name not in HIDDEN_ATTRIBUTES}}
