"""One run, from event to status, top to bottom.

Every way of starting a job comes through here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from shared import redaction
from shared.aws.names import NO_TARGET
from shared.job.definition import Job
from shared.job.outcome import Done, Enqueued, Failed, Lost, Outcome, Reason, Skipped, Snoozed
from shared.run import gates, predecessor, report, routing, send, status, unclaimed_status
from shared.run.attempts import NextStep, next_step, used_up
from shared.run.begin import begin
from shared.run.claim import Claim, Claims
from shared.run.claim_refusal import ClaimRefusal
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.history import History
from shared.run.manual import ManualRequest
from shared.run.report import RunReport
from shared.run.work import perform
from shared.store.fencing import Fenced
from shared.store.transient import persist

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.observability.log import Log
    from shared.run.tick_heartbeat import TickHeartbeat


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
    """Take the lease and the tick with one conditional write.

    With three further writes where the run before was interrupted.
    """
    run.claims = Claims(run.cloud, run.job, run.target if run.job.lease_per_target else NO_TARGET)
    taken = run.claims.take(run.firing, run.run_id, request)
    if isinstance(taken, ClaimRefusal) and taken.interrupted:
        # Recorded before the claim, which is repeated: a run that is interrupted here leaves the item as it is.
        lost = predecessor.record_lost(run, taken.interrupted)
        taken = run.claims.take(run.firing, run.run_id, request, lost)
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
    # A caller that waits for this run, such as the command line, sends nothing either: it tries again itself.
    deferred = run.firing.retried and not run.firing.fresh and send.may_defer(run.job, run.firing)
    if refusal.reason is Reason.LOCKED and deferred:
        # First for a moment: the sender of a continuation, or of a retry, is about to release the lease.
        wait = refusal.wait + 1 if run.firing.deferrals else min(refusal.wait + 1, send.SHORT_DEFERRAL)
        send.send(run.cloud, run.firing.deferred(), wait)
        return _Refusal(Snoozed(wait, refusal.note))
    winner = refusal.run if refusal.reason is Reason.DEDUPLICATED else ""
    return _Refusal(Skipped(refusal.reason, refusal.note), winner)


def _execute(run: RunContext, manual: ManualRequest | None) -> RunReport:
    """Work under the claim, then send, finish and record."""
    assert run.claims is not None
    assert run.claim is not None
    predecessor.record(run, run.claims, run.claim)
    heartbeat = _heartbeat(run)
    if heartbeat:
        heartbeat.start()
    outcome, continues = None, False
    try:
        outcome, ms, continues = _work_and_finish(run, run.claims, run.claim)
        return _record(run, outcome, ms, manual)
    finally:
        # Also where AWS refuses the record: no run ends without a ping.
        if heartbeat:
            heartbeat.end(outcome, continues)


def _work_and_finish(run: RunContext, claims: Claims, claim: Claim) -> tuple[Outcome, int, bool]:
    """Work, send the follow-up, and finish.

    Returns the outcome, milliseconds, and whether the tick goes on with the follow-up.
    """
    run.log.info(f"{run.job.name}_started", status="PROCESSING", tick=run.firing.position, attempt=run.firing.attempt)
    if claim.known_outcomes:
        # Imported lazily: few runs leave any.
        from shared.run import known_outcomes

        known_outcomes.take_over(run)
    outcome = _with_earlier_parts(perform(run.job, run), run.firing)
    # The follow-up goes out before the finish. A crash between the two sends it twice, and the claim drops the second;
    # in the other order the follow-up could be lost.
    continues = _send_follow_up(run, outcome)
    if claim.budget_usage:
        claim.budget_usage.alert_once(run)
    if run.known_outcomes or claim.known_outcomes:
        from shared.run import known_outcomes

        known_outcomes.carry(run)
    ms = run.elapsed_ms()
    return _finish(run, claims, claim, outcome, ms, continues), ms, continues


def _with_earlier_parts(outcome: Outcome, firing: Firing) -> Outcome:
    """Return the outcome with the bad verdicts of the tick's earlier parts.

    The verdict of a tick is that of all its parts.
    """
    if not firing.bad or not isinstance(outcome, Done) or firing.bad in outcome.note:
        return outcome
    return replace(outcome, ok=False, note="; ".join(filter(None, (outcome.note, firing.bad))))


def _send_follow_up(run: RunContext, outcome: Outcome) -> bool:
    """Send the follow-up of the outcome, if there is one.

    A retry, a dead letter, a continuation or a deferred firing. Returns whether the tick goes on with it.
    """
    job, firing, cloud = run.job, run.firing, run.cloud
    match outcome:
        case Failed():
            return _retry_or_dead_letter(run, outcome)
        # Once the budget is used up, the next period continues from the checkpoint.
        case Done() if outcome.checkpoint is not None and firing.retried and not run.used_up:
            return send.may_continue(firing) and _continue(run, outcome)
        case Snoozed() if send.may_defer(job, firing):
            send.send(cloud, firing.deferred(), outcome.seconds)
            return True
    return False


def _continue(run: RunContext, done: Done) -> bool:
    """Send the next part.

    False where it cannot be sent; then the next tick continues.
    """
    bad = "" if done.ok else redaction.excerpt(done.note or "an earlier part was bad", redaction.LONG)
    try:
        send.send_continuation(run.cloud, run.job, run.firing.continuation(bad))
    except Exception as error:  # noqa: BLE001 - the work of this part is done, and must be recorded
        run.log.error("continuation_not_sent", error=f"{type(error).__name__}: {error}")
        return False
    return True


def _retry_or_dead_letter(run: RunContext, failed: Failed) -> bool:
    """Send the next attempt, or a dead letter; whether an attempt follows."""
    job, firing, cloud = run.job, run.firing, run.cloud
    error = redaction.excerpt(failed.error, redaction.LONG)
    match next_step(firing, job.retry, final=failed.final):
        case NextStep.RETRY:
            delay = job.retry.jittered(firing.attempt) or 0
            send.send(cloud, firing.retry(error, cloud.clock.now()), delay)
            run.log.warning("retry_scheduled", attempt=firing.attempt + 1, delay=delay)
            return True
        case NextStep.DEAD_LETTER:
            reason = "rejected" if failed.final else used_up(firing)
            send.send_dead_letter(cloud, firing, run.run_id, reason, error, send.code_version(cloud))
    return False


def _finish(run: RunContext, claims: Claims, claim: Claim, outcome: Outcome, ms: int, continues: bool) -> Outcome:
    """Write status and checkpoint and release the lease.

    Lost where a later run has taken it. An error of AWS that passes is waited for as long as the run has time: the
    work is done, and only this process knows it.
    """
    checkpoint: Any = outcome.checkpoint if isinstance(outcome, Done) else None
    counted = run.firing.sequence > 1 or bool(run.firing.bad)
    state = status.from_outcome(outcome, run.started, ms, claim.before, counted=counted, unfinished=continues)
    success = isinstance(outcome, Done)
    try:
        persist(partial(claims.finish, claim, run.firing, state, checkpoint, success), run.cloud.clock, run.time_left)
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
    if heartbeat := _heartbeat(run):
        heartbeat.end(routed)
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
        _write_rows(run, outcome, ms, manual)
    if run.firing.letter:
        # Imported lazily: few runs serve a redriven dead letter.
        from shared.run import redriven

        redriven.record_outcome(run.cloud, run.job, run.firing, run.run_id, outcome)
    report.log_end(run, outcome, ms)
    return report.build(run, outcome, ms)


def _write_rows(run: RunContext, outcome: Outcome, ms: int, manual: ManualRequest | None) -> None:
    """Write the history row and the end of the manual request.

    Where AWS fails for longer than the run has time, the next claim or the reconciler writes the row of a run that has
    finished, from the claim item. Another outcome is nowhere else, so the invocation must fail.
    """
    try:
        if run.claim is None:
            unclaimed_status.write(run, outcome, ms)
        # A caller's typing error is answered, and is no part of the job's history.
        if not (isinstance(outcome, Skipped) and outcome.reason is Reason.UNKNOWN_TARGET):
            persist(partial(report.write_history, run, outcome, ms), run.cloud.clock, run.time_left)
        if manual is not None:
            persist(partial(manual.end, run.run_id, outcome, ms), run.cloud.clock, run.time_left)
    except Exception as error:
        if run.claim is None:
            raise
        run.log.error(f"{run.job.name}_unrecorded", error=f"{type(error).__name__}: {error}")


def _heartbeat(run: RunContext) -> TickHeartbeat | None:
    url = run.cloud.environment.get(run.job.heartbeat().name)
    if not url:
        return None
    # Imported lazily: most jobs have no heartbeat.
    from shared.run.tick_heartbeat import TickHeartbeat

    return TickHeartbeat(run, url)
