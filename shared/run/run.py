"""One run, from event to status, top to bottom. Every way of starting a job comes through here."""

from __future__ import annotations

import secrets
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared import redaction
from shared.aws.names import NO_TARGET
from shared.deadline import DeadlineExceeded, within
from shared.job.definition import FINISH_SECONDS, Job
from shared.job.outcome import Done, Enqueued, Failed, Lost, Outcome, Reason, Refused, Rejected, Skipped, Snoozed
from shared.job.settings import SettingError
from shared.run import apply_plan, gates, routing, send, status
from shared.run.claim import Claim, ClaimRefusal, Claims, position_and_attempt
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.history import History
from shared.run.manual import ManualRequest
from shared.store.fencing import Fenced

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.observability.heartbeat import Heartbeat
    from shared.observability.log import Log


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run comes to: `python jobs.py <job> --json` prints it, Lambda returns it.

    unfinished: cap or deadline ended it early, and what is left goes on from its checkpoint.
    """

    job: str
    run_id: str
    tick: str
    target: str
    outcome: str
    ok: bool
    ms: int
    counts: Mapping[str, int]
    note: str
    artifact: str | None
    unfinished: bool = False


def run_id(started: datetime) -> str:
    """`20261121T220500.123Z-9f2c61aa`: sorts by start; the random part makes it this invocation's alone."""
    at = started.astimezone(UTC)
    return f"{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03d}Z-{secrets.token_hex(4)}"


def run(job: Job, firing: Firing, cloud: Cloud, log: Log, request: str = "", seconds: float | None = None) -> RunReport:
    """Run `job` for `firing`. `request` is Lambda's id of the invocation; `seconds` what it leaves us, if less.

    Raises nothing that the job does: how a run ended is its outcome. What AWS itself refuses is raised, so that the
    invocation fails and comes back through its on-failure destination.
    """
    started, clocked = cloud.clock.now(), time.monotonic()
    mine = run_id(started)
    log = log.bind(job=job.name, jobId=mine, entityId=firing.target, correlationId=firing.correlation_id)
    tick = RunContext(job, firing, cloud, mine, started, log)
    tick.time_allowed = min(job.timeout, seconds or job.timeout) - FINISH_SECONDS
    marker = ManualRequest(cloud, job, firing) if firing.manual and firing.id else None

    away = routing.route(job, firing, cloud)
    if away is not None:
        return _elsewhere(tick, away, marker, _ms(clocked))
    refusal = _admitted(job, firing, cloud, marker, mine)
    if refusal is None:
        tick.claims = Claims(cloud, job, firing.target if job.lease_per_target else NO_TARGET)
        taken = tick.claims.take(firing, mine, request)
        refusal = _refused(tick, tick.claims, taken) if isinstance(taken, ClaimRefusal) else None
        tick.claim = taken if isinstance(taken, Claim) else None
    if tick.claim is None or tick.claims is None:
        outcome: Outcome = refusal.outcome if refusal else Lost()
        if not outcome.ok and (heartbeat := _heartbeat(tick)):
            heartbeat.end(outcome)
        return _record(tick, outcome, _ms(clocked), marker, winner=refusal.winner if refusal else "")

    if tick.claim.expired_holder:
        _bury(tick, tick.claim.expired_holder, tick.claim.interrupted_at)
    heartbeat = _heartbeat(tick)
    if heartbeat:
        heartbeat.start()
    log.info(f"{job.name}_started", status="PROCESSING", tick=firing.position, attempt=firing.attempt)
    outcome = noted(tick, _worked(job, tick))
    # Sent before the finish: a crash in between sends twice, which the claim recognises; the other order could lose it.
    _send_on(job, tick, outcome)
    if tick.claim.budget_usage:
        tick.claim.budget_usage.alert_once(tick)
    ms = _ms(clocked)
    try:
        _finish(tick.claims, tick.claim, firing, outcome, started, ms)
    except Fenced as fenced:
        outcome = Lost(str(fenced))
    report = _record(tick, outcome, ms, marker)
    if heartbeat:
        heartbeat.end(outcome)
    return report


def _heartbeat(run: RunContext) -> Heartbeat | None:
    url = run.cloud.environment.get(run.job.heartbeat().name)
    if not url:
        return None
    # Who has none does not pay for its import.
    from shared.observability.heartbeat import Heartbeat

    return Heartbeat(url, run.log)


def _elsewhere(run: RunContext, away: Enqueued | Failed, marker: ManualRequest | None, ms: int) -> RunReport:
    # Whoever waits for a run by hand waits for the run itself; only what could not be handed over ends here.
    if isinstance(away, Enqueued):
        return _record(run, away, ms, None)
    if marker:
        marker.take(run.run_id)
    if not away.final:
        _send_on(run.job, run, away)
    return _record(run, away, ms, marker)


@dataclass(frozen=True, slots=True)
class _Refused:
    outcome: Outcome
    winner: str = ""


def _admitted(job: Job, firing: Firing, cloud: Cloud, marker: ManualRequest | None, mine: str) -> _Refused | None:
    # The marker comes first: whoever asked by hand reads there how it ended, also when a gate is shut.
    taken = marker.take(mine) if marker else None
    if taken is not None:
        return _Refused(Skipped(taken.reason, taken.note), taken.run)
    try:
        shut = gates.first_closed(job, firing, cloud)
    except SettingError as error:
        return _Refused(Failed(str(error), "SettingError", final=True))
    if shut is None and marker and firing.fresh and not marker.admit():
        shut = Skipped(Reason.RATE_LIMITED, "asked for too often within this minute")
    return _Refused(shut) if shut else None


def _refused(run: RunContext, claims: Claims, refusal: ClaimRefusal) -> _Refused:
    job, firing, cloud = run.job, run.firing, run.cloud
    # Nobody was told where its setting has changed since, or a run has died with the last of it.
    if refusal.budget_usage and not refusal.budget_usage.known and refusal.budget_usage.alert_once(run):
        claims.known(refusal.budget_usage)
    # A fresh tick that is locked out is recorded: the next one comes by itself. What nobody sends again waits.
    if refusal.reason is Reason.LOCKED and not firing.fresh and send.may_be_put_off(job, firing):
        send.send(cloud, firing.deferred(), refusal.wait + 1)
        return _Refused(Snoozed(refusal.wait + 1, refusal.note))
    winner = refusal.run if refusal.reason is Reason.DEDUPLICATED else ""
    return _Refused(Skipped(refusal.reason, refusal.note), winner)


def _worked(job: Job, run: RunContext) -> Outcome:
    """The only place that calls a job's own code."""
    try:
        with within(run.time_allowed):
            if run.firing.plan:
                return _planned(job, run)
            if job.shards > 1 and run.target == NO_TARGET:
                send.send_shards(run.cloud, run.firing, job.shards)
                return Done({"shards": job.shards})
            return job.work(run)
    except (Rejected, SettingError) as error:
        return _failed(error, final=True)
    except Fenced as error:
        return Lost(str(error))
    except (Exception, DeadlineExceeded) as error:  # noqa: BLE001 - whatever a job raises is its outcome
        return _failed(error)


def noted(run: RunContext, outcome: Outcome) -> Outcome:
    if not run.uncertain:
        return outcome
    from shared.run import reconcile

    return reconcile.with_uncertain(outcome, run.cloud.names.stage, run.job.name, run.uncertain)


def _planned(job: Job, run: RunContext) -> Outcome:
    # Few runs carry out a plan; the others do not pay for its import.

    return apply_plan.apply_plan(job, run)


def _failed(error: BaseException, final: bool = False) -> Failed:
    return Failed(f"{type(error).__name__}: {error}", type(error).__name__, traceback.format_exc(), final)


def _send_on(job: Job, run: RunContext, outcome: Outcome) -> None:
    """What follows from the outcome: a retry, a dead letter, a continuation, or nothing."""
    firing, cloud = run.firing, run.cloud
    match outcome:
        case Failed() if firing.retried:
            error = redaction.excerpt(outcome.error, redaction.LONG)
            delay = None if outcome.final else job.retry.jittered(firing.attempt)
            if delay is not None:
                send.send(cloud, firing.retry(error, cloud.clock.now()), delay)
                run.log.warning("retry_scheduled", attempt=firing.attempt + 1, delay=delay)
            elif outcome.final or job.retry.delays or firing.letter:
                reason = "rejected" if outcome.final else f"all {job.retry.attempts} attempts used up"
                send.send_dead(cloud, firing, run.run_id, reason, error)
        case Done() if outcome.checkpoint is not None and firing.retried and send.may_go_on(job, firing):
            # What has no room goes on in the next period, from its checkpoint.
            if not run.used_up:
                send.send(cloud, firing.continuation())
        case Snoozed() if send.may_be_put_off(job, firing):
            send.send(cloud, firing.deferred(), outcome.seconds)


def _finish(claims: Claims, claim: Claim, firing: Firing, outcome: Outcome, started: datetime, ms: int) -> None:
    success = isinstance(outcome, Done)
    checkpoint: Any = outcome.checkpoint if isinstance(outcome, Done) else None
    claims.finish(claim, firing, status.of(outcome, started, ms, claim.before), checkpoint, success)


def _bury(run: RunContext, corpse: str, mark: str) -> None:
    note = "died without a word; its lease ran out and the next run found it"
    History(run.cloud, run.job.name, run.job.retention).record_lost(
        corpse, run.target, note, *position_and_attempt(mark)
    )
    run.log.error(f"{run.job.name}_lost", lost=corpse, error=note, status="lost")
    run.log.metric(run.job.name, {"Lost": 1})


def _record(run: RunContext, outcome: Outcome, ms: int, marker: ManualRequest | None, winner: str = "") -> RunReport:
    """History, marker, log and metric of a run that is over."""
    history = History(run.cloud, run.job.name, run.job.retention)
    artifact = run.artifacts[0] if run.artifacts else ""
    if winner:
        history.duplicate(winner, run.run_id, run.firing)
    else:
        history.write(run.firing, run.run_id, run.started, outcome, ms, artifact)
        if marker is not None:
            marker.end(run.run_id, outcome, ms)
    if run.firing.letter:
        _answer(run, outcome)
    _tell(run, outcome, ms)
    counts = redaction.data(dict(outcome.counts)) if isinstance(outcome, Done) else {}
    note = redaction.excerpt(status.words_of(outcome), redaction.LONG)
    return RunReport(
        job=run.job.name,
        run_id=run.run_id,
        tick=run.firing.position,
        target=run.target,
        outcome=outcome.word,
        ok=outcome.ok,
        ms=ms,
        counts=counts,
        note=note,
        artifact=artifact or None,
        unfinished=isinstance(outcome, Done) and outcome.checkpoint is not None,
    )


def _answer(run: RunContext, outcome: Outcome) -> None:
    # Few runs serve a dead letter again; the others do not pay for the import.
    from shared.run import redriven

    redriven.of_run(run.cloud, run.job, run.firing, run.run_id, outcome)


def _tell(run: RunContext, outcome: Outcome, ms: int) -> None:
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
        case _:
            log.info(f"{name}_{outcome.word}", note=outcome.note)


def _ms(clocked: float) -> int:
    return round((time.monotonic() - clocked) * 1000)
