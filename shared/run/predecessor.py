"""Record an unrecorded run when its claim item is claimed again.

An interrupted run has neither row nor status. A finished one may lack its history row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from shared.job import manifest
from shared.run import report

if TYPE_CHECKING:
    from shared.run.claim import Claim, Claims
    from shared.run.context import RunContext

NOTE = "interrupted without an outcome; its lease expired and the next run found it"


def record(run: RunContext, claims: Claims, claim: Claim) -> Claim:
    """Record the run before, and return the claim with its status.

    Costs a call only where the run before was interrupted, or was not recorded by this process.
    """
    if claim.quarantined:
        ahead = f"the position {claim.quarantined} is ahead of the clock; it no longer supersedes the ticks before it"
        run.log.error(f"{run.job.name}_position_ahead", position=claim.quarantined, error=ahead)
        run.log.metric(run.job.name, {"Failed": 1})
    if claim.expired_holder:
        return _record_lost(run, claims, claim, claim.expired_holder)
    if claim.finished_before and not report.is_recorded(run.cloud, claims.key, claim.finished_before):
        _attempt(run, claim.finished_before, partial(_record_finished, run, claims, claim))
    return claim


def _record_lost(run: RunContext, claims: Claims, claim: Claim, lost: str) -> Claim:
    # Imported lazily: few runs follow an interrupted one.
    from shared.run import lost_runs

    held, job = claim.held_before, run.job
    entry = manifest.of([job])[job.name]
    lost_runs.report_lost(run.cloud, run.log, job.name, entry, lost, claims.target, NOTE)
    status = lost_runs.lost_status(run.cloud, lost, claim.before, NOTE, held)
    _attempt(
        run, lost, partial(lost_runs.record_row, run.cloud, job.name, job.retention, lost, claims.target, NOTE, held)
    )
    # The streak of a job whose every run is interrupted grows with each of them.
    _attempt(run, lost, partial(claims.record_lost, claim, status))
    return replace(claim, before=status)


def _record_finished(run: RunContext, claims: Claims, claim: Claim) -> None:
    from shared.run import lost_runs

    item = {"run": claim.finished_before, "sk": claims.target, "status": claim.before}
    if lost_runs.record_finished(run.cloud, run.job.name, run.job.retention, item, claim.held_before):
        run.log.warning(f"{run.job.name}_recorded", recorded=claim.finished_before, status=claim.before.get("outcome"))


def _attempt(run: RunContext, of: str, write: Callable[[], object]) -> None:
    """Write; an error is logged, and this run goes on."""
    try:
        write()
    except Exception as error:  # noqa: BLE001 - the record of another run is not this run's work
        run.log.error(f"{run.job.name}_unrecorded", unrecorded=of, error=f"{type(error).__name__}: {error}")
