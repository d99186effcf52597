"""See the catalogue, PF-03 and PF-06: what did not run, and what was killed, cannot say so itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from functions.operations._reconcile_window import Span
from functions.operations._tick_accounting import Books, Finding
from shared import clock
from shared.aws.names import NO_TARGET, STATE
from shared.aws.permissions import read_rows, write_rows
from shared.job import manifest, retry_policies
from shared.job.definition import Job
from shared.job.idempotency import version_check
from shared.job.manifest import Entry
from shared.job.outcome import Done, Outcome
from shared.job.schedule import every
from shared.ledger import expected_since
from shared.run import lost_runs
from shared.run.context import RunContext
from shared.run.send import MAX_DELAY

# Seconds between the late runs of two jobs: an outage must not end in a burst.
SPACING = 10
# Seconds that one job may take, a day of its rows.
RESERVE = 10


class Reconciler(Job):
    """Find ticks that were missed and runs that died, note them, and run what has to catch up.

    A pass over 45 jobs that tick every minute is 91 reads, 46 read units, and the 3 writes of any run. Once an hour it
    folds, which is 45 reads, 135 read units and 45 writes more. A job without ticks since the last pass is one read.
    """

    schedule = every(minutes=5, offset=3)
    timeout = 60
    # Hours of the schedule: after an outage of days it goes on from its checkpoint.
    cap = 24
    # It tells of everybody's silence but its own.
    silent_after = 15 * 60
    retry = retry_policies.MAINTENANCE
    idempotency = version_check("leases, gaps and folds are only written over what was read; a late run has its tick")
    permissions = (read_rows(STATE, "*"), write_rows(STATE, "*"))
    needs_manifest = True

    def work(self, run: RunContext) -> Outcome:
        span, counts = Span.of(run), dict.fromkeys(("lost", "missed", "caught_up", "folded"), 0)
        entries = _ticked()
        listed, done = expected_since.refresh(run.cloud, entries), span.after
        for name, entry in entries.items():
            if name <= span.after:
                continue
            if run.remaining() < RESERVE:
                return Done(counts, checkpoint=span.checkpoint(done))
            claims = lost_runs.claim_items(run.cloud, entry)
            counts["lost"] += sum(_buried(run, name, entry, item) for item in claims)
            books = _books(run, name, entry, claims, listed)
            finding = books.look(span)
            counts["folded"] += books.write(finding, spread(counts["caught_up"]))
            counts["missed"] += finding.missed
            counts["caught_up"] += finding.late is not None
            done = name
        later = span.onward(run.cap)
        return Done(counts, checkpoint=later.checkpoint("") if span.until < span.end else None)

    def plan(self, run: RunContext) -> list[str]:
        span, listed = Span.of(run), expected_since.read(run.cloud)
        lines: list[str] = []
        for name, entry in _ticked().items():
            claims = lost_runs.claim_items(run.cloud, entry)
            dead = [item for item in claims if lost_runs.lease_expired(item, run.cloud.clock.now())]
            lines += [f"mark {item['holder']} of {name} {item['sk']} lost" for item in dead]
            lines += _planned(name, _books(run, name, entry, claims, listed).look(span))
        return lines


def spread(number: int) -> int:
    """Seconds until the late run of so many-th job begins; past the longest delay of a queue it begins anew."""
    return number * SPACING % MAX_DELAY


def _ticked() -> dict[str, Entry]:
    """Jobs by name, in its order; consumers have neither leases nor ticks."""
    return {name: entry for name, entry in sorted(manifest.load().items()) if entry["queue"] is None}


def _books(run: RunContext, name: str, entry: Entry, claims: list[dict[str, Any]], listed: dict[str, Any]) -> Books:
    own = next((item for item in claims if item["sk"] == NO_TARGET), {})
    return Books(run, name, entry, own, expected_since.since(listed, name) or run.cloud.clock.now())


def _buried(run: RunContext, name: str, entry: Entry, item: dict[str, Any]) -> bool:
    """Whether it was dead, and is now written down as lost."""
    if not lost_runs.lease_expired(item, run.cloud.clock.now()):
        return False
    note = f"no word since {item['started']}; its lease ran out"
    if not lost_runs.mark_lost(run.cloud, name, entry, item, note):
        return False
    run.log.error(f"{name}_lost", lost=item["holder"], target=item["sk"], error=note)
    run.log.metric(name, {"Lost": 1})
    return True


def _planned(name: str, finding: Finding) -> Iterator[str]:
    for gap in finding.gaps:
        yield f"note {gap.count} missed ticks of {name} from {clock.minute(gap.first)} to {clock.minute(gap.to)}"
    if finding.late:
        yield f"run the tick {clock.minute(finding.late)} of {name} after all"
