"""Explain why a tick ran, failed or did not run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared import clock
from shared.admin import missed_tick
from shared.admin.reset_position import position_ahead
from shared.admin.trace import Trace
from shared.admin.trace_commands import commands
from shared.aws.names import NO_TARGET
from shared.job.outcome import verdict_word
from shared.job.retry import JITTER
from shared.ledger.expected_since import ROLLOUT
from shared.ledger.ledger import SETTLING_TIME, TickOutcome
from shared.run import claim_write, status_view
from shared.text.human import duration_text

PREDICATES = {
    TickOutcome.RAN: "ran",
    TickOutcome.LATE: "ran late",
    TickOutcome.RUNNING: "is running",
    TickOutcome.FAILED: "failed",
    TickOutcome.REFUSED: "was refused by its job",
    TickOutcome.LOST: "was lost",
    TickOutcome.ENQUEUED: "waits for a worker",
    TickOutcome.SNOOZED: "was deferred",
    TickOutcome.SUPERSEDED: "was superseded",
    TickOutcome.LOCKED: "was skipped because another run held the lease",
    TickOutcome.PAUSED: "was skipped because the job was paused",
    TickOutcome.DISABLED: "was skipped because the job was disabled",
    TickOutcome.FORBIDDEN: "was skipped because the settings forbid it",
    TickOutcome.RATE_LIMITED: "was rate-limited",
    TickOutcome.TOO_LATE: "came too late",
    TickOutcome.DEDUPLICATED: "was deduplicated",
    TickOutcome.MISSED: "was missed",
    TickOutcome.UNKNOWN: "has no known outcome",
    TickOutcome.AWAITED: "has not started yet",
}
# Outcomes for which the last run of the job is added.
WITHOUT_RUN = (TickOutcome.AWAITED, TickOutcome.MISSED, TickOutcome.UNKNOWN)
# Cause and consequence of the outcomes that have no run of their own.
REASONS = {
    TickOutcome.SUPERSEDED: "A later tick had already done its work; nothing was left to do.",
    TickOutcome.LOCKED: "The run that held the lease did the work; the next tick runs as usual.",
    TickOutcome.FORBIDDEN: "The settings of the job do not allow it.",
    TickOutcome.DISABLED: "The settings of the job do not allow it.",
    TickOutcome.PAUSED: "A paused job skips its ticks; the first tick after the pause does all the work.",
    TickOutcome.TOO_LATE: "It came after the job's grace, after which the job declares that it must not run.",
    TickOutcome.RATE_LIMITED: "Too many runs of it were requested.",
    TickOutcome.SNOOZED: "Another run held the lease, or the job asked for a later time; that costs no attempt.",
    TickOutcome.ENQUEUED: "It was routed to a worker, and no worker has left a row yet.",
    TickOutcome.DEDUPLICATED: "It was delivered twice, and the run of the first delivery has left no row.",
    TickOutcome.AWAITED: f"It may still start: a tick is judged {SETTLING_TIME.seconds // 60} minutes after its time.",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """An explanation of a trace."""

    headline: str
    #: Sentences, each with one fact.
    facts: tuple[str, ...]
    #: Commands to act, each with its purpose.
    commands: tuple[tuple[str, str], ...]
    #: The trace as data.
    data: Mapping[str, Any]


def explain(trace: Trace, stage: str) -> Explanation:
    """Explain a trace.

    stage: the deployment that the trace is of and the commands act on.
    """
    facts = (*_about_tick(trace), *_about_minute(trace), *_about_now(trace))
    return Explanation(_headline(trace), facts, tuple(commands(trace, stage)), trace.data())


def _headline(trace: Trace) -> str:
    name = trace.job.name if trace.target == NO_TARGET else f"{trace.job.name} {trace.target}"
    if trace.job.queue:
        return f"{name} consumes the queue {trace.job.queue} and has no ticks."
    if trace.tick is None:
        return f"{name} has no schedule: it runs only when an operator starts it."
    predicate = "was due before the job was deployed" if _before_deployment(trace) else PREDICATES[trace.record.outcome]
    return f"{name}: the tick of {_time(trace.tick)} {predicate}."


def _before_deployment(trace: Trace) -> bool:
    """Return whether the tick was due before its job was deployed."""
    unknown, since = trace.record.outcome is TickOutcome.UNKNOWN, trace.expected_since
    return bool(unknown and trace.tick and since and trace.tick < since - ROLLOUT)


def _about_tick(trace: Trace) -> Iterator[str]:
    if trace.tick is None:
        return
    if trace.minute != trace.tick:
        yield f"The job does not fire at {_time(trace.minute)}; its last tick before that was {_time(trace.tick)}."
    yield from _about_outcome(trace, trace.record.outcome)
    if trace.from_daily_ledger:
        yield "The row of the run has expired; the daily ledger has no more than this outcome."
    if duplicates := sum(row.get("duplicates", 0) for row in trace.runs):
        yield f"It was delivered {_times(duplicates)} more; the further deliveries had no effect."
    elif trace.record.duplicated:
        yield "It was delivered more than once; the further deliveries had no effect."
    if trace.record.outcome in (TickOutcome.DISABLED, TickOutcome.FORBIDDEN):
        closed = f"The gate is still closed: {trace.closed_gate}; deploy the job with another setting."
        yield closed if trace.closed_gate else "The gate is open now."


def _about_outcome(trace: Trace, outcome: TickOutcome) -> Iterator[str]:
    match outcome:
        case TickOutcome.RAN | TickOutcome.LATE:
            yield from _ran(trace)
        case TickOutcome.FAILED | TickOutcome.LOST | TickOutcome.REFUSED:
            yield from _failed(trace)
        case TickOutcome.MISSED:
            yield from _missed(trace)
        case TickOutcome.UNKNOWN:
            yield _unknown(trace)
        case TickOutcome.RUNNING:
            yield "Its run has not ended."
        case _:
            note = trace.runs[-1].get("note", "") if trace.runs else ""
            yield f"It did not run: {note}. {REASONS[outcome]}" if note else REASONS[outcome]


def _ran(trace: Trace) -> Iterator[str]:
    done = next((row for row in trace.runs if row.get("outcome") == "done"), None)
    if done is None:
        if not trace.from_daily_ledger:
            yield "It finished, and was interrupted before it could write its row."
        return
    assert trace.tick is not None
    after = clock.parse(done["started"]) - trace.tick
    counts = ", ".join(f"{count} {name}" for name, count in done.get("counts", {}).items()) or "nothing to do"
    yield f"Run {done['run']} started {duration_text(after)} after the tick and took {done.get('ms', 0)} ms: {counts}."
    if not done.get("ok", True):
        yield f"The run completed with a bad result: {done.get('note', 'no reason given')}."
    if done.get("attempt", 1) > 1:
        yield f"It took {done['attempt']} attempts."
        yield from _attempts(trace)
    if trace.gap:
        yield f"It had been missed ({_gap(trace)}), and was run later to catch up."
        yield from missed_tick.sentences(trace.cause)
    elif trace.record.outcome is TickOutcome.LATE:
        yield "It waited to start: the function was throttled, the queue was long, or the event was late."


def _failed(trace: Trace) -> Iterator[str]:
    yield from _attempts(trace)
    last = trace.runs[-1] if trace.runs else {}
    attempt, policy = last.get("attempt", 1), trace.job.retry
    delay = policy.delay(attempt)
    if trace.runs_now:
        yield f"Attempt {attempt + 1} of {policy.attempts} is running."
    elif trace.dead_letter:
        letter = trace.dead_letter
        yield f"It failed permanently: dead letter {letter['id'][:8]}, {letter.get('reason', '')}."
    elif last.get("outcome") == "refused":
        yield "Nothing was done, and nothing is retried: an operator must decide."
    elif not policy.delays:
        yield "It is not retried: the next tick does its work."
    elif delay is None:
        yield f"All {policy.attempts} attempts are used up; its dead letter is not stored yet."
    elif last:
        due = clock.parse(last["started"]) + timedelta(milliseconds=last.get("ms", 0), seconds=delay)
        latest = due + timedelta(seconds=delay * JITTER + 1)
        overdue = trace.now > latest + timedelta(minutes=1)
        late = " It has not started: it waits in the queue firings." if overdue else ""
        yield f"Attempt {attempt + 1} of {policy.attempts} is due from {due:%H:%M:%S} to {latest:%H:%M:%S} UTC.{late}"


def _attempts(trace: Trace) -> Iterator[str]:
    for row in trace.runs:
        if row.get("outcome") in ("failed", "lost", "refused"):
            attempt = f"Attempt {row.get('attempt', 1)} of {trace.job.retry.attempts}"
            note = row.get("note", "")
            yield f"{attempt}, run {row['run']}, {_outcome(row)} at {row.get('started', '')[11:19]}: {note}"


def _missed(trace: Trace) -> Iterator[str]:
    yield "It left no trace, neither a run nor a refusal."
    yield from missed_tick.sentences(trace.cause)
    if not trace.gap:
        if not trace.from_daily_ledger:
            yield "The reconciler, which runs every 5 minutes, has not recorded it yet. Is the reconciler running?"
        return
    yield f"It is one of {_gap(trace)}."
    covered = trace.gap.get("covered", "")
    if covered:
        yield f"The tick of {covered[:10]} {covered[11:16]} UTC did its work: each run does everything that is due."
    else:
        yield f"Its catch-up policy is {trace.job.catches_up()}: the next tick does its work."


def _unknown(trace: Trace) -> str:
    if trace.from_daily_ledger:
        return "It had left no row when the ledger recorded its outcome."
    if not trace.in_ledger:
        return "The job is not in the ledger: it has not been deployed, or the reconciler has not run since."
    if trace.expected_since and _before_deployment(trace):
        return f"The job was deployed at {_time(trace.expected_since - ROLLOUT)}; ticks before that were not its own."
    if trace.tick and trace.expected_since and trace.tick < trace.expected_since:
        since = _time(trace.expected_since)
        return f"It left no trace. The ledger expects ticks of the job from {since} on, after its deployment."
    return "It left no row, and rows of that age have expired."


def _about_minute(trace: Trace) -> Iterator[str]:
    for row in trace.other_runs:
        target = row.get("target", NO_TARGET)
        cause = f"for the tick {row['tick'][:17]}" if "#" in row.get("tick", "") else "for an operator"
        of = f" of {target}" if target != NO_TARGET else ""
        yield f"In that minute run {row['run']}{of} started {cause}: {_outcome(row)}. {row.get('note', '')}".rstrip()


def _about_now(trace: Trace) -> Iterator[str]:
    claim, status = trace.claim, trace.claim.get("status") or {}
    yield from _held_back(trace)
    if "holder" in claim:
        yield _lease(trace)
    if status.get("streak", 0) > 1:
        good = f"Its last good run started {last}." if (last := status.get("lastGood")) else "It has no good run yet."
        yield f"It has failed {_times(status['streak'])} in a row, first with: {status.get('firstError', '')}. {good}"
    if trace.host_status:
        seen = trace.host_status.get("status") or {}
        result = "good" if seen.get("ok") else f"bad: {seen.get('note', '')}"
        yield f"{trace.target} was last checked {seen.get('at', '')[:19]}, and was {result}."
    if claim.get("checkpoint"):
        yield "A run is unfinished: the next one continues from its checkpoint."
    for queue, count in trace.queued.items():
        yield f"{count} messages wait in {queue}." if count != 1 else f"1 message waits in {queue}."
    if trace.tick is None and trace.dead_letter:
        yield f"Its newest dead letter is {trace.dead_letter['id'][:8]}: {trace.dead_letter.get('error', '')}"
    if status and (trace.tick is None or trace.record.outcome in WITHOUT_RUN):
        started = status_view.view(trace.claim).get("startedAt", "")
        yield f"It last ran {started[:19]}: {_outcome(status)}. {status.get('note', '')}".rstrip()
    upcoming = min((next(schedule.after(trace.now)) for schedule in trace.job.schedules()), default=None)
    if upcoming:
        yield f"Its next tick is {_time(upcoming)}."


def _held_back(trace: Trace) -> Iterator[str]:
    if ahead := position_ahead(trace.claim, trace.now):
        yield (
            f"Its last tick is {ahead[:17]}, ahead of the clock: a machine with a wrong clock ran it. "
            "Ticks before it are superseded, except those more than an hour before it, which overrule it."
        )
    if "quarantined" in trace.claim:
        yield f"The position {trace.claim['quarantined'][:17]}, from a machine with a wrong clock, was overruled."
    if "paused" in trace.claim:
        until = trace.claim.get("paused_until")
        when = f"until {_time(clock.parse(until))}" if until else "now"
        yield f"It is paused {when}: {trace.claim['paused']}."
    if trace.budget_usage:
        yield trace.budget_usage.sentence
    if trace.braked_plan:
        yield f"The brake made the plan {trace.braked_plan} of what it stopped."
    for pause in trace.partial_pauses.values():
        yield f"{pause.sentence[0].upper()}{pause.sentence[1:]}."
    if trace.claim.get("partial_pauses") and not trace.partial_pauses:
        yield "Some of its targets or tenants are paused."


def _lease(trace: Trace) -> str:
    claim = trace.claim
    until = f"{datetime.fromtimestamp(claim['lease_until'] / 1000, trace.now.tzinfo):%H:%M:%S} UTC"
    if claim_write.lease_expired(claim, trace.now):
        return (
            f"Run {claim['holder']} held the lease until {until} and did not release it: its process was interrupted. "
            "The next tick claims the job, and the reconciler records the lost run within 5 minutes."
        )
    step = f"{claim.get('step', 'started')}, {claim.get('progress', 0)} %"
    return f"Run {claim['holder']} holds the lease until {until} at the latest: {step}."


def _gap(trace: Trace) -> str:
    count, since, to = trace.gap["count"], trace.gap["from"], trace.gap["to"]
    return f"{count} ticks missed in a row, {since} to {to}" if count > 1 else "one missed tick"


def _outcome(row: Mapping[str, Any]) -> str:
    outcome = verdict_word(str(row.get("outcome", "it has not ended")), row.get("ok", True))
    return {"lost": "was interrupted"}.get(outcome, outcome)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
