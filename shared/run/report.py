"""Report a finished run or batch.

History row, log line, metrics, and the RunReport for the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from shared import redaction
from shared.job.outcome import Done, Failed, Lost, Outcome, Refused, Skipped
from shared.run import status
from shared.run.history import History

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.run.context import RunContext
    from shared.store.keys import RowKey


@dataclass(frozen=True, slots=True)
class RunReport:
    """Result of a run.

    `python jobs.py <job> --json` prints it, Lambda returns it.
    """

    #: Name of the job.
    job: str
    #: The run's id, see `begin.run_id`.
    run_id: str
    #: Position of the tick, see `Firing.position`.
    tick: str
    #: Target of the run; `-` for a job without targets.
    target: str
    #: `done`, `failed`, `paused` ...: the word of the outcome.
    outcome: str
    #: False for a failure, and for a run whose result is bad.
    ok: bool
    #: Duration in milliseconds.
    ms: int
    #: Counts that the job returned.
    counts: Mapping[str, int]
    #: Error or note of the outcome.
    note: str
    #: Key of the first artifact in the bucket; None without artifacts.
    artifact: str | None
    #: Cap or deadline ended the run early; the rest continues from its checkpoint.
    unfinished: bool = False


def build(run: RunContext, outcome: Outcome, ms: int) -> RunReport:
    """Return the report of a run that ended with `outcome`."""
    return RunReport(
        job=run.job.name,
        run_id=run.run_id,
        tick=run.firing.position,
        target=run.target,
        outcome=outcome.word,
        ok=outcome.ok,
        ms=ms,
        counts=redaction.data(dict(outcome.counts)) if isinstance(outcome, Done) else {},
        note=redaction.excerpt(status.explanation(outcome), redaction.LONG),
        artifact=run.artifacts[0] if run.artifacts else None,
        unfinished=isinstance(outcome, Done) and outcome.checkpoint is not None,
    )


# The last run of each claim item whose row this process has written. With it most claims make no further call.
_recorded: WeakKeyDictionary[Cloud, dict[RowKey, str]] = WeakKeyDictionary()


def write_history(run: RunContext, outcome: Outcome, ms: int) -> None:
    """Write the history row of a finished run."""
    artifact = run.artifacts[0] if run.artifacts else ""
    history = History(run.cloud, run.job.name, run.job.retention)
    history.write(run.firing, run.run_id, run.started, outcome, ms, artifact)
    if run.claims is not None:
        _recorded.setdefault(run.cloud, {})[run.claims.key] = run.run_id


def is_recorded(cloud: Cloud, key: RowKey, run: str) -> bool:
    """Return whether this process has written the run's history row.

    key: the claim item, of which the run was the last.
    """
    return _recorded.get(cloud, {}).get(key) == run


def log_end(run: RunContext, outcome: Outcome, ms: int) -> None:
    """Log the end of a run, with metrics for bad ends.

    Metrics are sparse: failed, lost, or a bad result.
    """
    name, log = run.job.name, run.log.bind(status=outcome.word, duration=ms)
    match outcome:
        case Done():
            log.info(f"{name}_complete", result=dict(outcome.counts), ok=outcome.ok, note=outcome.note)
            if not outcome.ok:
                log.metric(name, {"Unhealthy": 1, "Duration": ms})
        case Failed():
            log.error(f"{name}_failed", step="error", error=outcome.error, stack=outcome.stack)
            log.metric(name, {"Failed": 1, "Duration": ms})
        case Lost():
            log.error(f"{name}_lost", error=outcome.note)
            log.metric(name, {"Lost": 1})
        case Refused():
            log.warning(f"{name}_refused", note=outcome.note)
        case Skipped() if run.batch:
            # The messages of a skipped batch are delivered again until they are served or become dead letters.
            log.warning(f"{name}_{outcome.word}", note=outcome.note)
        case _:
            log.info(f"{name}_{outcome.word}", note=outcome.note)
