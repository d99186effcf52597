"""Write the status of a run that ended before its claim.

Without it the last status would stand: `done`, for a job that is off or whose settings cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.aws.names import NO_TARGET
from shared.job.outcome import Failed, Outcome, Reason, Skipped
from shared.run import status
from shared.store import keys, table
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.run.context import RunContext

TRIES = 3
# Reasons for which no tick runs until somebody changes a setting. The others concern one firing.
LASTING = (Reason.DISABLED, Reason.FORBIDDEN)


def write(run: RunContext, outcome: Outcome, ms: int) -> bool:
    """Write the status, unless a run holds the claim.

    A failure is counted in the streak. A lasting reason is written once, over the status of another outcome. One read
    and one write, and one more after a run that had a claim.
    """
    off = isinstance(outcome, Skipped) and outcome.reason in LASTING
    if off and run.firing.manual and run.firing.target != NO_TARGET:
        # Of one target that a caller named; the ticks of the job may well run.
        return False
    if not off and not isinstance(outcome, Failed):
        return False
    key = keys.claim(run.job.key, run.target if run.job.lease_per_target else NO_TARGET)
    return any(_write(run, key, outcome, ms, off) for _ in range(TRIES))


def _write(run: RunContext, key: keys.RowKey, outcome: Outcome, ms: int, off: bool) -> bool:
    item = table.get(run.cloud, STATE, key)
    before: dict[str, Any] = item.get("status") or {}
    if "holder" in item or (off and before.get("outcome", outcome.word) == outcome.word):
        # True: nothing is left to write.
        return True
    # Imported lazily: few runs end without a claim.
    from shared.run import lost_runs

    # Its status is about to be replaced, and its row may be missing.
    lost_runs.record_last_finished(run.cloud, run.job.name, run.job.retention, item)
    state = status.from_outcome(outcome, run.started, ms, before, counted=run.firing.sequence > 1)
    unchanged = "#status = :before" if before else "attribute_not_exists(#status)"
    values: dict[str, Any] = {":status": state, ":state": "FAILED" if isinstance(outcome, Failed) else "SKIPPED"}
    return table.update_if(
        run.cloud,
        STATE,
        key,
        "SET #status = :status, #state = :state REMOVE ended, ended_for",
        values | ({":before": before} if before else {}),
        f"attribute_not_exists(holder) AND {unchanged}",
        names={"#status": "status", "#state": "state"},
        won=lambda row: row.get("status") == state,
    )
