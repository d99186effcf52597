"""See the catalogue, PF-21. DynamoDB's own TTL deletes by age, days late; what is counted it cannot delete at all.

No Purge: its rows go newest first past a count, and none before the ledger has them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from functions.operations._reconcile_window import EPOCH, settled
from functions.operations._tick_accounting import BURIED, stretch
from shared.aws import attributes
from shared.aws.names import STATE
from shared.aws.permissions import delete_rows, read_rows
from shared.job import manifest, retention, retry_policies
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.manifest import Entry
from shared.job.outcome import Done, Outcome
from shared.job.retention import Retention
from shared.job.schedule import hourly
from shared.run.context import RunContext
from shared.store.age_index import Row
from shared.store.bulk_delete import BulkDeleter
from shared.tables import STATE as TABLE

# The TTL has deleted a row within so long after its time.
LEFT = timedelta(days=3)
SEEN = ("sk", "ok", "ms")
# Seconds left at which no further job is begun.
RESERVE = 10


@dataclass(slots=True)
class Shelf:
    """The newest rows of one job, as they are met: how many of them ended well, and how many did not."""

    retention: Retention
    now: datetime
    met: Counter[bool] = field(default_factory=Counter)

    def full(self, ok: bool, started: datetime, ms: int) -> bool:
        """Whether a row, the next older one, is too old or one too many."""
        kept = self.retention.of(ok)
        self.met[ok] += 1
        return started + timedelta(milliseconds=ms) + kept.age <= self.now or self.met[ok] > kept.count


class RunRetention(Job):
    """Delete rows of run history that are older, or more, than their job's retention class allows.

    A pass over 45 jobs is about 500 reads, whose units are those of the rows that are kept.
    """

    schedule = hourly(minute=47)
    timeout = 120
    cap = 100_000
    retry = retry_policies.MAINTENANCE
    idempotency = natural("a row once deleted is not met again; the next pass counts what is there")
    permissions = (read_rows(STATE, "runs#*", "reconciler:last"), delete_rows(STATE, "runs#*"))
    needs_manifest = True

    def work(self, run: RunContext) -> Outcome:
        after: str = (run.checkpoint or {}).get("after", "") if run.firing.part else ""
        jobs = {name: entry for name, entry in sorted(manifest.load().items()) if name > after}
        judged, left = settled(run.cloud), run.cap
        with BulkDeleter(run.cloud, TABLE) as eraser:
            for name, entry in jobs.items():
                for row, _ in surplus(run, name, entry, judged):
                    if left == 0 or run.remaining() < RESERVE:
                        break
                    eraser.add([row])
                    left -= 1
                if left == 0 or run.remaining() < RESERVE:
                    # This job's newest rows are read once more then, and none of them deleted twice.
                    break
                after = name
        more = bool(jobs) and after != max(jobs)
        return Done({"deleted": eraser.gone}, checkpoint={"after": after} if more else None)

    def plan(self, run: RunContext) -> list[str]:
        lines, judged = [], settled(run.cloud)
        for name, entry in sorted(manifest.load().items()):
            found = Counter(ok for _, ok in surplus(run, name, entry, judged))
            if found:
                lines.append(f"delete {found[True]:,} rows of {name} that ended well, {found[False]:,} that did not")
        return lines


def surplus(run: RunContext, job: str, entry: Entry, judged: datetime) -> Iterator[tuple[Row, bool]]:
    """A job's rows beyond what its class keeps, the newest first, and whether their runs ended well.

    judged: how far the reconciler has come. Rows that it has not folded yet are left alone, however many they are.
    """
    kept = retention.read(entry["retention"])
    shelf, folded = Shelf(kept, run.at), judged - (judged - EPOCH) % stretch(entry) - BURIED
    for item in _newest_first(run, job, kept.failed.age + LEFT):
        started = _started(item["sk"])
        # A row that only counts duplicates is of a run that is still at work.
        if started is None or "ok" not in item:
            continue
        if shelf.full(item["ok"], started, item.get("ms", 0)) and (started < folded or entry["queue"] is not None):
            pk = f"runs#{job}#{started:%Y-%m-%d}"
            yield Row(pk, item["sk"], pk, item["sk"], item), item["ok"]


def _newest_first(run: RunContext, job: str, length: timedelta) -> Iterator[Mapping[str, Any]]:
    first = (run.at - length).astimezone(UTC).date()
    day = run.cloud.clock.now().astimezone(UTC).date()
    while day >= first:
        pages = run.cloud.dynamodb.get_paginator("query").paginate(
            TableName=run.cloud.names.table(STATE),
            KeyConditionExpression="pk = :pk",
            ProjectionExpression=", ".join(f"#{name}" for name in SEEN),
            ExpressionAttributeNames={f"#{name}": name for name in SEEN},
            ExpressionAttributeValues=attributes.row({":pk": f"runs#{job}#{day}"}),
            ScanIndexForward=False,
        )
        for page in pages:
            yield from map(attributes.plain, page["Items"])
        day -= timedelta(days=1)


def _started(run: str) -> datetime | None:
    """From a run id, or from what a gap has in its place."""
    try:
        return datetime.strptime(run[:19], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
    except ValueError:
        return None
