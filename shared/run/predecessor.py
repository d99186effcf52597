"""Record an unrecorded run when its claim item is claimed again.

An interrupted run has neither row nor status. A finished one may lack its history row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.job import manifest
from shared.run import report

if TYPE_CHECKING:
    from shared.run.claim import Claim, Claims
    from shared.run.context import RunContext

NOTE = "interrupted without an outcome; its lease expired and the next run found it"


def record_lost(run: RunContext, item: Mapping[str, Any]) -> str:
    """Record the interrupted holder of a claim item, and release its lease.

    Returns its id; empty where the item has changed since. Safe to repeat.
    """
    # Imported lazily: few runs follow an interrupted one.
    from shared.run import lost_runs

    entry = manifest.of([run.job])[run.job.name]
    marked = lost_runs.mark_lost(run.cloud, run.log, run.job.name, entry, item, NOTE)
    return str(item["holder"]) if marked else ""


def record(run: RunContext, claims: Claims, claim: Claim) -> None:
    """Write the missing history row of the run that last finished.

    Costs a call only where it was not recorded by this process.
    """
    if claim.quarantined:
        ahead = f"the position {claim.quarantined} is ahead of the clock; it no longer supersedes the ticks before it"
        run.log.error(f"{run.job.name}_position_ahead", position=claim.quarantined, error=ahead)
        run.log.metric(run.job.name, {"Failed": 1})
    before = claim.finished_before
    if not before or report.is_recorded(run.cloud, claims.key, before):
        return
    try:
        _record_finished(run, claims, claim)
    except Exception as error:  # noqa: BLE001 - the record of another run is not this run's work
        run.log.error(f"{run.job.name}_unrecorded", unrecorded=before, error=f"{type(error).__name__}: {error}")


def _record_finished(run: RunContext, claims: Claims, claim: Claim) -> None:
    from shared.run import lost_runs

    item = {"run": claim.finished_before, "sk": claims.target, "status": claim.before}
    if lost_runs.record_finished(run.cloud, run.job.name, run.job.retention, item, claim.held_before):
        run.log.warning(f"{run.job.name}_recorded", recorded=claim.finished_before, status=claim.before.get("outcome"))
