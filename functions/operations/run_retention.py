"""Catalogue, PF-21: the retention of run history.

DynamoDB's TTL deletes by age, days late, and cannot limit the number of rows. Not a Purge: rows are read newest first,
the limit is a count, and rows that the ledger has not recorded must stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from functions.operations._reconcile_window import EPOCH, judged_until
from functions.operations._tick_accounting import RECORDED_LOST, ledger_period
from shared.job import (
    Done,
    Job,
    Outcome,
    RunContext,
    delete_rows,
    hourly,
    manifest,
    natural,
    read_rows,
    retention,
    retry_policies,
    tables,
)
from shared.job.manifest import Entry
from shared.job.retention import Retention
from shared.run.history import started_by
from shared.store import keys, table
from shared.store.age_index import Row
from shared.store.bulk_delete import BulkDeleter

# The TTL deletes a row within this time after it has expired.
TTL_DELAY = timedelta(days=3)
ATTRIBUTES_READ = ("sk", "ok", "ms")
# Remaining seconds below which no further row is deleted.
RESERVE = 10


@dataclass(slots=True)
class RetainedRows:
    """Counts of a job's newest rows, by whether runs ended well."""

    retention: Retention
    now: datetime
    counted: Counter[bool] = field(default_factory=Counter)

    def exceeded(self, ok: bool, started: datetime, ms: int) -> bool:
        """Count the next older row; whether it exceeds the retention."""
        limit = self.retention.of(ok)
        self.counted[ok] += 1
        return started + timedelta(milliseconds=ms) + limit.age <= self.now or self.counted[ok] > limit.count


class RunRetention(Job):
    """Delete run history beyond the retention of its job's class.

    The class limits age and number. A run over 45 jobs is about 500 reads, whose units are those of the rows that stay.
    """

    schedule = hourly(minute=47)
    timeout = 120
    cap = 100_000
    retry = retry_policies.MAINTENANCE
    idempotency = natural("a deleted row is not read again; the next run counts the rows that are left")
    permissions = (
        read_rows(tables.STATE.name, keys.runs("*", "*"), keys.claims("reconciler")),
        delete_rows(tables.STATE.name, keys.runs("*", "*")),
    )
    needs_manifest = True

    def work(self, run: RunContext) -> Outcome:
        after: str = (run.checkpoint or {}).get("after", "") if run.firing.part else ""
        jobs = {name: entry for name, entry in sorted(manifest.load().items()) if name > after}
        judged, left = judged_until(run.cloud), run.cap
        with BulkDeleter(run.cloud, tables.STATE) as deleter:
            for name, entry in jobs.items():
                for row, _ in surplus(run, name, entry, judged):
                    if left == 0 or run.remaining() < RESERVE:
                        break
                    deleter.add([row])
                    left -= 1
                if left == 0 or run.remaining() < RESERVE:
                    # The next part reads the newest rows of this job again, and deletes the rest.
                    break
                after = name
        more = bool(jobs) and after != max(jobs)
        return Done({"deleted": deleter.gone}, checkpoint={"after": after} if more else None)

    def plan(self, run: RunContext) -> list[str]:
        lines, judged = [], judged_until(run.cloud)
        for name, entry in sorted(manifest.load().items()):
            counts = Counter(ok for _, ok in surplus(run, name, entry, judged))
            if counts:
                lines.append(f"delete {counts[True]:,} rows of {name} that ended well, {counts[False]:,} that did not")
        return lines


def surplus(run: RunContext, job: str, entry: Entry, judged: datetime) -> Iterator[tuple[Row, bool]]:
    """Yield the rows beyond the job's retention, the newest first.

    Each with whether its run ended well.

    judged: up to when the reconciler has judged ticks. Rows that it has not added to the daily ledger stay.
    """
    limits = retention.read(entry["retention"])
    retained = RetainedRows(limits, run.at)
    recorded = judged - (judged - EPOCH) % ledger_period(entry) - RECORDED_LOST
    for item in _newest_first(run, job, limits.failed.age + TTL_DELAY):
        started = _started(item["sk"])
        # A row that only counts duplicates is of a run that has not ended.
        if started is None or "ok" not in item:
            continue
        exceeded = retained.exceeded(item["ok"], started, item.get("ms", 0))
        if exceeded and (started < recorded or entry["queue"] is not None):
            pk = keys.runs(job, started.date())
            yield Row(pk, item["sk"], pk, item["sk"], item), item["ok"]


def _newest_first(run: RunContext, job: str, age: timedelta) -> Iterator[Mapping[str, Any]]:
    first = (run.at - age).astimezone(UTC).date()
    day = run.cloud.clock.now().astimezone(UTC).date()
    while day >= first:
        values = {":pk": keys.runs(job, day)}
        yield from table.query(
            run.cloud, tables.STATE, "pk = :pk", values, attributes_read=ATTRIBUTES_READ, ScanIndexForward=False
        )
        day -= timedelta(days=1)


def _started(run_id: str) -> datetime | None:
    """Parse the start from the id of a run or gap."""
    try:
        return started_by(run_id)
    except ValueError:
        return None
