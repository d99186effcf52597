"""Catalogue, FS-05: the end of hours, days and months."""

from __future__ import annotations

from collections import Counter

from functions.flags import _archive, _periods
from functions.flags._counters import DUE, OPEN
from functions.flags._periods import SKEW
from shared.job import (
    Done,
    Job,
    Outcome,
    RunContext,
    hourly,
    natural,
    read_rows,
    retry_policies,
    tables,
    update_rows,
)
from shared.run import owner_failures
from shared.run.owner_failures import OwnerFailures

# Remaining seconds below which no further page is read.
RESERVE = 10


class PeriodRollover(Job):
    """Archive the usage counters of ended hours, days and months.

    The next period begins at zero. The counters show which periods are to be archived, not the tick: after an outage
    one run archives all of them.
    """

    # After the minutes by which a sender's clock may be wrong.
    schedule = hourly(minute=6)
    cap = 20_000
    retry = retry_policies.MAINTENANCE
    retention = "critical"
    idempotency = natural("one transaction moves a counter into the archive, and removes it from the month")
    permissions = (read_rows(tables.METERS.name), update_rows(tables.METERS.name), *owner_failures.GRANTS)

    def work(self, run: RunContext) -> Outcome:
        failures = OwnerFailures(run)
        return failures.end(self._work(run, failures))

    def _work(self, run: RunContext, failures: OwnerFailures) -> Done:
        counts, at = Counter[str](), run.checkpoint or {}
        partitions = DUE.partitions(OPEN)
        left = run.cap
        for number in range(at.get("partition", 0), len(partitions)):
            more = at.get("more") if number == at.get("partition") else None
            while True:
                if left <= 0 or run.remaining() < RESERVE:
                    return Done(counts, checkpoint={"partition": number, "more": more})
                months, more = _archive.months(run.cloud, partitions[number], more)
                for tenant, month, row in months:
                    with failures.isolate(tenant.id):
                        closed = _archive.close(run.cloud, tenant, month, row, run.at)
                        counts.update(f"{_periods.kind_of(period)}s" for period in closed)
                counts["months_open"] += len(months)
                left -= len(months)
                if more is None:
                    break
        return Done(counts)

    def plan(self, run: RunContext) -> list[str]:
        lines: dict[str, None] = {}
        ended = f"{run.at - SKEW:%Y-%m-%d %H:%M}"
        for partition in DUE.partitions(OPEN):
            for page in _archive.pages(_archive.months, run.cloud, partition):
                lines |= {
                    f"archive what has ended by {ended} of {month}, {tenant.id}": None for tenant, month, _ in page
                }
        return [*lines]
