"""Account for the ticks of one job in a window.

It finds gaps, extends the daily ledger, and catches up a missed tick.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from functions.operations._missed_ticks import Gap, Gaps, groups
from functions.operations._reconcile_window import EPOCH, ReconcileWindow
from shared import clock
from shared.job import CatchUp, RunContext, retention
from shared.job.lease_margin import lease_seconds
from shared.job.manifest import Entry
from shared.ledger import daily, ledger
from shared.ledger.ledger import MINUTE, TickOutcome, TickRecords
from shared.run import send
from shared.run.firing import Firing

# The daily ledger is extended each hour, and before half of the shortest retention of a row is over.
LEDGER_PERIOD = timedelta(hours=1)
# How long after its end an interrupted run may get its row.
RECORDED_LOST = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Finding:
    """The rows to write and the firing to send for a job."""

    #: Ticks that were not known to be missed.
    missed: int = 0
    gaps: tuple[Gap, ...] = ()
    #: The missed tick to run now.
    catch_up: datetime | None = None
    #: Records to add to the daily ledger.
    records: TickRecords = field(default_factory=dict)
    #: Ids of runs whose history rows were read.
    recorded: frozenset[str] = frozenset()


class TickAccounting:
    """The ticks of one job."""

    def __init__(self, run: RunContext, job: str, entry: Entry, claim: Mapping[str, Any], counts: datetime) -> None:
        self.run = run
        self.cloud = run.cloud
        self.job = job
        self.entry = entry
        #: The claim item of the job itself, empty if there is none.
        self.claim = claim
        #: Since when ticks of the job are expected.
        self.counts = counts
        self.gaps = Gaps(run.cloud, job, entry)

    def examine(self, window: ReconcileWindow) -> Finding:
        """Determine what to write, with reads only.

        One query if ticks were due or the ledger is extended, one more past midnight or for a gap.
        """
        due = self._expected(window.since, window.until)
        period = self._whole_periods(window.since), self._whole_periods(window.until)
        extends = period[0] < period[1]
        if not due and not extends:
            return Finding()
        now = self.cloud.clock.now()
        since = window.since - ledger.CLOCK_SKEW
        if extends:
            lease = timedelta(seconds=lease_seconds(self.entry["timeout"], self.cloud.environment))
            since = period[0] - lease - RECORDED_LOST
        until = min(now, window.until + daily.LATEST_START) + ledger.CLOCK_SKEW
        rows = ledger.read_runs(self.cloud, self.job, since, until)
        proven = ledger.from_runs(rows, self.entry)
        records: TickRecords = {}
        if extends:
            judged = ledger.judge(self.entry, self._expected(*period), proven, self.claim, now)
            records = ledger.merge(judged, {tick: record for tick, record in proven.items() if tick < period[1]})
        judged = ledger.judge(self.entry, due, proven, self.claim, now)
        missed = [tick for tick in due if judged[tick].outcome is TickOutcome.MISSED]
        recorded = frozenset(row["sk"] for row in rows if "outcome" in row)
        return replace(self._gaps(due, missed, rows, window), records=records, recorded=recorded)

    def write(self, finding: Finding, delay: int) -> int:
        """Write and send a finding; return the number of ledger rows.

        delay: seconds until the catch-up run.
        """
        # Sent before the gap is recorded: after a crash between the two it is sent again, which the claim deduplicates.
        if finding.catch_up is not None:
            hop, correlation = self.run.firing.hop + 2, uuid.uuid4().hex
            firing = Firing(self.job, finding.catch_up, hop=hop, correlation_id=correlation)
            send.send(self.cloud, firing, delay)
            self.run.log.warning("catch_up_scheduled", caught=self.job, tick=firing.position, delay=delay)
        for gap in finding.gaps:
            self.gaps.write(gap)
            self.run.log.error(f"{self.job}_missed", first=gap.first, to=gap.to, count=gap.count, error=gap.note)
        if finding.missed:
            self.run.log.metric(self.job, {"Missed": finding.missed})
        return daily.DailyLedger(self.cloud, self.job).add(finding.records)

    def _gaps(
        self, due: list[datetime], missed: list[datetime], rows: list[dict[str, Any]], window: ReconcileWindow
    ) -> Finding:
        catch_up, gaps, count = self._to_catch_up(missed, window), [], 0
        for ticks in groups(due, missed):
            # A gap that an earlier run has recorded is extended; a repeated run finds nothing new.
            known = self.gaps.before(ticks[0], rows) or (self.gaps.before(ticks[0]) if ticks[0] == due[0] else None)
            fresh = [tick for tick in ticks if known is None or tick > known.to]
            if fresh:
                gap = known.extended(fresh) if known else Gap(ticks[0], fresh[-1], len(fresh))
                gaps.append(replace(gap, covered=self._covered(fresh[-1], catch_up)))
                count += len(fresh)
        return Finding(count, tuple(gaps), catch_up if count else None)

    def _to_catch_up(self, missed: list[datetime], window: ReconcileWindow) -> datetime | None:
        """Return the newest missed tick, if it must be caught up.

        A later tick does its work if it was claimed already, or is still to be judged.
        """
        if not missed or self.entry["catch_up"] != CatchUp.ONCE:
            return None
        claimed = ledger.newest_claimed_tick(self.claim)
        later = (claimed is not None and claimed > missed[-1]) or self._expected(missed[-1] + MINUTE, window.end)
        return None if later else missed[-1]

    def _covered(self, tick: datetime, catch_up: datetime | None) -> str:
        claimed = ledger.newest_claimed_tick(self.claim)
        covering = claimed if claimed is not None and claimed > tick else catch_up
        return f"{clock.minute(covering)}#00" if covering else ""

    def _expected(self, since: datetime, until: datetime) -> list[datetime]:
        return ledger.expected_ticks(self.entry, max(since, self.counts), until)

    def _whole_periods(self, at: datetime) -> datetime:
        return at - (at - EPOCH) % ledger_period(self.entry)


def ledger_period(entry: Entry) -> timedelta:
    """Return the period that is added to the ledger at once."""
    return min(LEDGER_PERIOD, retention.read(entry["retention"]).completed.age / 2)
