"""One job's ticks over a span: what became of each, what is to be noted and folded, and what is to be run after all."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from functions.operations._missed_ticks import Gap, Gaps, groups
from functions.operations._reconcile_window import EPOCH, Span
from shared import clock
from shared.job import retention
from shared.job.manifest import Entry
from shared.job.schedule import CatchUp
from shared.ledger import daily, ledger
from shared.ledger.ledger import MINUTE, TickOutcome, TickRecords
from shared.run import send
from shared.run.claim import LEASE_MARGIN
from shared.run.context import RunContext
from shared.run.firing import Firing

# Rows are folded each hour; and before half of the shortest life of one is over.
FOLD = timedelta(hours=1)
# Until a run that died is written down as lost.
BURIED = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Finding:
    """missed: how many ticks, in those gaps, were not known as missed. late: the tick to run after all.
    told: what is to be folded."""

    missed: int = 0
    gaps: tuple[Gap, ...] = ()
    late: datetime | None = None
    told: TickRecords = field(default_factory=dict)


class Books:
    """item: the claim item without a target, empty where there is none. counts: from when on ticks are expected."""

    def __init__(self, run: RunContext, job: str, entry: Entry, item: Mapping[str, Any], counts: datetime) -> None:
        self.tick = run
        self.cloud = run.cloud
        self.job = job
        self.entry = entry
        self.item = item
        self.counts = counts
        self.gaps = Gaps(run.cloud, job, entry)

    def look(self, span: Span) -> Finding:
        """Reads only: a query where ticks were due or rows are to be folded, one more past midnight or for a gap."""
        due, whole = self._expected(span.since, span.until), (self._whole(span.since), self._whole(span.until))
        folding = whole[0] < whole[1]
        if not due and not folding:
            return Finding()
        now = self.cloud.clock.now()
        since = span.since - ledger.CLOCK_SKEW
        if folding:
            since = whole[0] - timedelta(seconds=self.entry["timeout"] + LEASE_MARGIN) - BURIED
        seen = ledger.read_runs(
            self.cloud, self.job, since, min(now, span.until + daily.LATEST_START) + ledger.CLOCK_SKEW
        )
        found = ledger.from_runs(seen, self.entry)
        told: TickRecords = {}
        if folding:
            judged = ledger.judge(self.entry, self._expected(*whole), found, self.item, now)
            told = ledger.merge(judged, {tick: account for tick, account in found.items() if tick < whole[1]})
        judged = ledger.judge(self.entry, due, found, self.item, now)
        missed = [tick for tick in due if judged[tick].outcome is TickOutcome.MISSED]
        return replace(self._missed(due, missed, seen, span), told=told)

    def write(self, finding: Finding, delay: int) -> int:
        """Do what was found; how many items were folded. delay: seconds until the late tick is run."""
        # Sent before it is noted: a crash in between sends twice, which the claim recognises.
        if finding.late is not None:
            firing = Firing(self.job, finding.late, hop=self.tick.firing.hop + 2, correlation_id=uuid.uuid4().hex)
            send.send(self.cloud, firing, delay)
            self.tick.log.warning("catch_up_scheduled", caught=self.job, tick=firing.position, delay=delay)
        for gap in finding.gaps:
            self.gaps.write(gap)
            self.tick.log.error(f"{self.job}_missed", first=gap.first, to=gap.to, count=gap.count, error=gap.note)
        if finding.missed:
            self.tick.log.metric(self.job, {"Missed": finding.missed})
        return daily.DailyLedger(self.cloud, self.job).add(finding.told)

    def _missed(self, due: list[datetime], missed: list[datetime], seen: list[dict[str, Any]], span: Span) -> Finding:
        late, made, count = self._to_run(missed, span), [], 0
        for ticks in groups(due, missed):
            # One that an earlier pass has noted goes on; of a pass that is repeated nothing is new.
            known = self.gaps.up_to(ticks[0], seen) or (self.gaps.up_to(ticks[0]) if ticks[0] == due[0] else None)
            fresh = [tick for tick in ticks if known is None or tick > known.to]
            if fresh:
                gap = known.grown(fresh) if known else Gap(ticks[0], fresh[-1], len(fresh))
                made.append(replace(gap, covered=self._covered(fresh[-1], late)))
                count += len(fresh)
        return Finding(count, tuple(made), late if count else None)

    def _to_run(self, missed: list[datetime], span: Span) -> datetime | None:
        """The newest missed tick, unless a later one stands for it: taken already, or yet to be judged."""
        if not missed or self.entry["catch_up"] != CatchUp.ONCE:
            return None
        taken = ledger.newest_claimed_tick(self.item)
        later = (taken is not None and taken > missed[-1]) or self._expected(missed[-1] + MINUTE, span.end)
        return None if later else missed[-1]

    def _covered(self, tick: datetime, late: datetime | None) -> str:
        taken = ledger.newest_claimed_tick(self.item)
        stands = taken if taken is not None and taken > tick else late
        return f"{clock.minute(stands)}#00" if stands else ""

    def _expected(self, since: datetime, until: datetime) -> list[datetime]:
        return ledger.expected_ticks(self.entry, max(since, self.counts), until)

    def _whole(self, instant: datetime) -> datetime:
        """The end of the last stretch that is folded at once."""
        return instant - (instant - EPOCH) % stretch(self.entry)


def stretch(entry: Entry) -> timedelta:
    """How much of a job's rows is folded at once."""
    return min(FOLD, retention.read(entry["retention"]).completed.age / 2)
