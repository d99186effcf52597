"""See the catalogue, FS-05."""

from __future__ import annotations

from collections import Counter

from functions.flags import _archive, _periods
from functions.flags._counters import DUE, OPEN
from functions.flags._messages import SKEW
from shared.aws.permissions import read_rows, update_rows
from shared.job import retry_policies
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome
from shared.job.schedule import hourly
from shared.run.context import RunContext
from shared.tables import METERS

# Seconds left at which no further organization is begun.
RESERVE = 10


class PeriodRollover(Job):
    """Close hours, days and months of usage that are over: archive their counters, so that the next begin at zero.

    What there is to close follows from the counters, not from the tick: after an outage one run closes all of it.
    """

    # After the minutes for which a sender's clock may be wrong.
    schedule = hourly(minute=6)
    cap = 20_000
    retry = retry_policies.MAINTENANCE
    retention = "critical"
    idempotency = natural("a counter is moved into the archive by one transaction, and is then there no more")
    permissions = (read_rows(METERS.name), update_rows(METERS.name))

    def work(self, run: RunContext) -> Outcome:
        counts, at = Counter[str](), run.checkpoint or {}
        partitions = DUE.partitions(OPEN)
        left = run.cap
        for number in range(at.get("partition", 0), len(partitions)):
            more = at.get("more") if number == at.get("partition") else None
            while True:
                if left <= 0 or run.remaining() < RESERVE:
                    return Done(counts, checkpoint={"partition": number, "more": more})
                months, more = _archive.months(run.cloud, partitions[number], more)
                for tenant, month in months:
                    closed = _archive.close(run.cloud, tenant, month, run.at)
                    counts.update(f"{_periods.kind_of(period)}s" for period in closed)
                counts["months_open"] += len(months)
                left -= len(months)
                if more is None:
                    break
        return Done(counts)

    def plan(self, run: RunContext) -> list[str]:
        lines: list[str] = []
        for partition in DUE.partitions(OPEN):
            months, _ = _archive.months(run.cloud, partition)
            lines += [f"close what is over by {run.at - SKEW:%Y-%m-%d %H:%M} of {month}, {t.id}" for t, month in months]
        return lines
