"""Catalogue, PF-03 and PF-06: missed ticks and interrupted runs.

Neither leaves a record itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from functions.operations._reconcile_window import ReconcileWindow
from functions.operations._tick_accounting import Finding, TickAccounting
from shared import clock
from shared.job import (
    NO_TARGET,
    Done,
    Job,
    Outcome,
    RunContext,
    every,
    manifest,
    permissions,
    read_rows,
    retry_policies,
    tables,
    version_check,
    write_rows,
)
from shared.job.manifest import Entry
from shared.ledger import expected_since
from shared.run import claim_write, lost_runs
from shared.run.send import MAX_DELAY

# Seconds between the catch-up runs of two jobs, so that an outage does not end in a burst.
SPACING = 10
# Ages of a finished run at which its history row is looked for, from and to: three runs of the reconciler.
UNRECORDED = (timedelta(minutes=1), timedelta(minutes=15))
# Remaining seconds below which no further job is examined: one job takes at most this long, for a day of its rows.
RESERVE = 10


class Reconciler(Job):
    """Record missed ticks and interrupted runs; catch up missed ticks.

    A run over 45 jobs that tick every minute is 91 reads, 46 read units, and the 3 writes of any run. Once an hour it
    extends the daily ledger, which is 45 reads, 135 read units and 45 writes more. A job without ticks since the last
    run is one read.
    """

    schedule = every(minutes=5, offset=3)
    timeout = 60
    # Hours of ticks per run: after an outage of days it continues from its checkpoint.
    cap = 24
    # It records the silence of all other jobs; an alarm watches for its own.
    silent_after = 15 * 60
    retry = retry_policies.MAINTENANCE
    idempotency = version_check("leases, gaps and ledger days change only as they were read; a catch-up has its tick")
    permissions = (
        read_rows(tables.STATE.name, "*"),
        write_rows(tables.STATE.name, "*"),
        permissions.read_job_settings(),
    )
    needs_manifest = True

    def work(self, run: RunContext) -> Outcome:
        window, counts = ReconcileWindow.of(run), dict.fromkeys(("lost", "missed", "caught_up", "folded"), 0)
        entries = _ticking_jobs()
        since, done = expected_since.refresh(run.cloud, entries), window.after
        for name, entry in entries.items():
            if name <= window.after:
                continue
            if run.remaining() < RESERVE:
                return Done(counts, checkpoint=window.checkpoint(done))
            claims = lost_runs.claim_items(run.cloud, entry)
            counts["lost"] += sum(_record_lost(run, name, entry, item) for item in claims)
            accounting = _accounting(run, name, entry, claims, since)
            finding = accounting.examine(window)
            for item in claims:
                _record_finished(run, name, entry, item, finding.recorded)
            counts["folded"] += accounting.write(finding, catch_up_delay(counts["caught_up"]))
            counts["missed"] += finding.missed
            counts["caught_up"] += finding.catch_up is not None
            done = name
        following = window.following(run.cap)
        return Done(counts, checkpoint=following.checkpoint("") if window.until < window.end else None)

    def plan(self, run: RunContext) -> list[str]:
        window, since = ReconcileWindow.of(run), expected_since.read(run.cloud)
        lines: list[str] = []
        for name, entry in _ticking_jobs().items():
            claims = lost_runs.claim_items(run.cloud, entry)
            expired = [item for item in claims if claim_write.lease_expired(item, run.cloud.clock.now())]
            lines += [f"record run {item['holder']} of {name} {item['sk']} as lost" for item in expired]
            lines += _planned(name, _accounting(run, name, entry, claims, since).examine(window))
        return lines


def catch_up_delay(number: int) -> int:
    """Return the seconds until the n-th catch-up run.

    Beyond the longest delay of a queue they start over.
    """
    return number * SPACING % MAX_DELAY


def _ticking_jobs() -> dict[str, Entry]:
    """Return the jobs with schedules, sorted by name.

    Consumers have neither leases nor ticks.
    """
    return {name: entry for name, entry in sorted(manifest.load().items()) if entry["queue"] is None}


def _accounting(
    run: RunContext, name: str, entry: Entry, claims: list[dict[str, Any]], since: dict[str, Any]
) -> TickAccounting:
    own = next((item for item in claims if item["sk"] == NO_TARGET), {})
    return TickAccounting(run, name, entry, own, expected_since.since(since, name) or run.cloud.clock.now())


def _record_lost(run: RunContext, name: str, entry: Entry, item: dict[str, Any]) -> bool:
    """Record a run as lost if its lease has expired.

    Returns whether it was recorded now.
    """
    if not claim_write.lease_expired(item, run.cloud.clock.now()):
        return False
    note = f"the run that started {item['started']} did not end; its lease expired"
    return lost_runs.mark_lost(run.cloud, run.log, name, entry, item, note)


def _record_finished(run: RunContext, name: str, entry: Entry, item: dict[str, Any], recorded: frozenset[str]) -> None:
    """Write the missing history row of a finished run.

    A run without a row is written by the second reconciler run after its end at the latest. One that ended this minute
    may be about to write it.
    """
    ended = (item.get("status") or {}).get("at", "")
    now = run.cloud.clock.now()
    # Without `ended` the status is of a run that had no claim.
    if "holder" in item or item.get("ended", "") in ("", *recorded):
        return
    recent = clock.iso(now - UNRECORDED[1]) <= ended <= clock.iso(now - UNRECORDED[0])
    if recent and lost_runs.record_finished(run.cloud, name, entry["retention"], item):
        run.log.warning(f"{name}_recorded", recorded=item["run"], target=item["sk"])


def _planned(name: str, finding: Finding) -> Iterator[str]:
    for gap in finding.gaps:
        yield f"record {gap.count} missed ticks of {name} from {clock.minute(gap.first)} to {clock.minute(gap.to)}"
    if finding.catch_up:
        yield f"run the missed tick {clock.minute(finding.catch_up)} of {name}"
