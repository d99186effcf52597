"""One run, from event to status, top to bottom.

Every way of starting a job comes through here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared import redaction
from shared.aws.names import NO_TARGET
from shared.job.definition import Job
from shared.job.outcome import Done, Enqueued, Failed, Lost, Outcome, Reason, Skipped, Snoozed
from shared.run import gates, report, routing, send, status
from shared.run.begin import begin
from shared.run.claim import Claim, ClaimRefusal, Claims, position_and_attempt
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.history import History
from shared.run.manual import ManualRequest
from shared.run.report import RunReport
from shared.run.work import perform
from shared.store.fencing import Fenced

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.observability.heartbeat import Heartbeat
    from shared.observability.log import Log


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A run that ends before its work."""

    outcome: Outcome
    #: The run that serves the same tick or request, for a duplicate.
    winner: str = ""


def run(job: Job, firing: Firing, cloud: Cloud, log: Log, request: str = "", seconds: float | None = None) -> RunReport:
    """Run `job` for `firing`.

    request: Lambda's request id. seconds: time left in the invocation (default: the job's timeout).

    Raises nothing that the job raises: that is the outcome of the run. Raises errors of AWS, so that the invocation
    fails and comes back through its on-failure destination.
    """
    context = begin(job, firing, cloud, log, seconds)
    manual = ManualRequest(cloud, job, firing) if firing.manual and firing.id else None
    routed = routing.route(job, firing, cloud)
    if routed is not None:
        return _end_routed(context, routed, manual)
    refusal = _admit(context, manual) or _claim(context, request)
    if refusal is not None:
        return _end_refused(context, refusal, manual)
    return _execute(context, manual)


def _admit(run: RunContext, manual: ManualRequest | None) -> _Refusal | None:
    """Check the manual request and the gates."""
    # The request is taken first: its row shows the end of the run, also where a gate is closed.
    taken = manual.take(run.run_id) if manual else None
    if taken is not None:
        return _Refusal(Skipped(taken.reason, taken.note), taken.run)
    closed = gates.closed_outcome(run.job, run.firing, run.cloud)
    if closed is None and manual and run.firing.fresh and not manual.admit():
        closed = Skipped(Reason.RATE_LIMITED, "too many manual runs were requested in this minute")
    return _Refusal(closed) if closed else None


def _claim(run: RunContext, request: str) -> _Refusal | None:
    """Take the lease and the tick with one conditional write."""
    run.claims = Claims(run.cloud, run.job, run.target if run.job.lease_per_target else NO_TARGET)
    taken = run.claims.take(run.firing, run.run_id, request)
    if isinstance(taken, ClaimRefusal):
        return _refuse(run, run.claims, taken)
    run.claim = taken
    return None


def _refuse(run: RunContext, claims: Claims, refusal: ClaimRefusal) -> _Refusal:
    """Turn a refused claim into an outcome.

    A locked firing that nobody else sends again is deferred.
    """
    # Not alerted yet: the budget setting has changed, or the run that used up the budget was interrupted.
    if refusal.budget_usage and not refusal.budget_usage.alerted and refusal.budget_usage.alert_once(run):
        claims.record_alerted(refusal.budget_usage)
    # A fresh tick that is locked out is only recorded: the schedule sends the next one.
    if refusal.reason is Reason.LOCKED and not run.firing.fresh and send.may_defer(run.job, run.firing):
        send.send(run.cloud, run.firing.deferred(), refusal.wait + 1)
        return _Refusal(Snoozed(refusal.wait + 1, refusal.note))
    winner = refusal.run if refusal.reason is Reason.DEDUPLICATED else ""
    return _Refusal(Skipped(refusal.reason, refusal.note), winner)


def _execute(run: RunContext, manual: ManualRequest | None) -> RunReport:
    """Work under the claim, then send, finish and record."""
    assert run.claims is not None
    assert run.claim is not None
    if run.claim.expired_holder:
        _record_lost(run, run.claim.expired_holder, run.claim.interrupted_at)
    heartbeat = _heartbeat(run)
    if heartbeat:
        heartbeat.start()
    run.log.info(f"{run.job.name}_started", status="PROCESSING", tick=run.firing.position, attempt=run.firing.attempt)
    outcome = perform(run.job, run)
    # The follow-up goes out before the finish. A crash between the two sends it twice, and the claim drops the second;
    # in the other order the follow-up could be lost.
    _send_follow_up(run, outcome)
    if run.claim.budget_usage:
        run.claim.budget_usage.alert_once(run)
    ms = run.elapsed_ms()
    outcome = _finish(run, run.claims, run.claim, outcome, ms)
    result = _record(run, outcome, ms, manual)
    if heartbeat:
        heartbeat.end(outcome)
    return result


def _record_lost(run: RunContext, expired_holder: str, dedup_key: str) -> None:
    """Record the run that held the lease until it expired."""
    note = "interrupted without an outcome; its lease expired and the next run found it"
    history = History(run.cloud, run.job.name, run.job.retention)
    history.record_lost(expired_holder, run.target, note, *position_and_attempt(dedup_key))
    run.log.error(f"{run.job.name}_lost", lost=expired_holder, error=note, status="lost")
    run.log.metric(run.job.name, {"Lost": 1})


def _send_follow_up(run: RunContext, outcome: Outcome) -> None:
    """Send the follow-up of the outcome, if there is one.

    A retry, a dead letter, a continuation or a deferred firing.
    """
    job, firing, cloud = run.job, run.firing, run.cloud
    match outcome:
        case Failed() if firing.retried:
            _retry_or_dead_letter(run, outcome)
        case Done() if outcome.checkpoint is not None and firing.retried and send.may_continue(job, firing):
            # Once the budget is used up, the next period continues from the checkpoint.
            if not run.used_up:
                send.send(cloud, firing.continuation())
        case Snoozed() if send.may_defer(job, firing):
            send.send(cloud, firing.deferred(), outcome.seconds)


def _retry_or_dead_letter(run: RunContext, failed: Failed) -> None:
    """Send the next attempt, or a dead letter after the last one.

    A job without retries gets neither: its next tick does the work, and alerts follow from its streak.
    """
    job, firing, cloud = run.job, run.firing, run.cloud
    error = redaction.excerpt(failed.error, redaction.LONG)
    delay = None if failed.final else job.retry.jittered(firing.attempt)
    if delay is not None:
        send.send(cloud, firing.retry(error, cloud.clock.now()), delay)
        run.log.warning("retry_scheduled", attempt=firing.attempt + 1, delay=delay)
    elif failed.final or job.retry.delays or firing.letter:
        reason = "rejected" if failed.final else f"all {job.retry.attempts} attempts used up"
        send.send_dead_letter(cloud, firing, run.run_id, reason, error)


def _finish(run: RunContext, claims: Claims, claim: Claim, outcome: Outcome, ms: int) -> Outcome:
    """Write status and checkpoint and release the lease.

    Lost where a later run has taken it.
    """
    checkpoint: Any = outcome.checkpoint if isinstance(outcome, Done) else None
    state = status.from_outcome(outcome, run.started, ms, claim.before)
    try:
        claims.finish(claim, run.firing, state, checkpoint, isinstance(outcome, Done))
    except Fenced as fenced:
        return Lost(str(fenced))
    return outcome


def _end_routed(run: RunContext, routed: Enqueued | Failed, manual: ManualRequest | None) -> RunReport:
    """End a run whose firing was routed, or could not be."""
    # A caller that waits for a manual run waits for the run itself; only a firing that was not sent ends here.
    if isinstance(routed, Enqueued):
        return _record(run, routed, run.elapsed_ms(), None)
    if manual:
        manual.take(run.run_id)
    if not routed.final:
        _send_follow_up(run, routed)
    return _record(run, routed, run.elapsed_ms(), manual)


def _end_refused(run: RunContext, refusal: _Refusal, manual: ManualRequest | None) -> RunReport:
    """End a run that was not admitted or has no claim."""
    if not refusal.outcome.ok and (heartbeat := _heartbeat(run)):
        heartbeat.end(refusal.outcome)
    return _record(run, refusal.outcome, run.elapsed_ms(), manual, refusal.winner)


def _record(run: RunContext, outcome: Outcome, ms: int, manual: ManualRequest | None, winner: str = "") -> RunReport:
    """Record the end of a run and return its report.

    History, manual request, dead letter, log line and metrics.
    """
    if winner:
        History(run.cloud, run.job.name, run.job.retention).duplicate(winner, run.run_id, run.firing)
    else:
        report.write_history(run, outcome, ms)
        if manual is not None:
            manual.end(run.run_id, outcome, ms)
    if run.firing.letter:
        # Imported lazily: few runs serve a redriven dead letter.
        from shared.run import redriven

        redriven.record_outcome(run.cloud, run.job, run.firing, run.run_id, outcome)
    report.log_end(run, outcome, ms)
    return report.build(run, outcome, ms)


def _heartbeat(run: RunContext) -> Heartbeat | None:
    url = run.cloud.environment.get(run.job.heartbeat().name)
    if not url:
        return None
    # Imported lazily: most jobs have no heartbeat.
    from shared.observability.heartbeat import Heartbeat

    return Heartbeat(url, run.log)
