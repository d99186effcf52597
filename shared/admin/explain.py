"""Why a job ran, failed, or did not, in plain words, and what can be done about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared import clock
from shared.admin.trace import Trace
from shared.advised_commands import advised, without_stage
from shared.aws.names import NO_TARGET
from shared.job.retry import JITTER
from shared.ledger.ledger import SETTLING_TIME, TickOutcome
from shared.run import lost_runs

PREDICATES = {
    TickOutcome.RAN: "ran",
    TickOutcome.LATE: "ran late",
    TickOutcome.RUNNING: "is at work",
    TickOutcome.FAILED: "failed",
    TickOutcome.REFUSED: "was refused by its job",
    TickOutcome.LOST: "was lost",
    TickOutcome.ENQUEUED: "waits for a worker",
    TickOutcome.SNOOZED: "was put off",
    TickOutcome.SUPERSEDED: "was superseded",
    TickOutcome.LOCKED: "was locked out",
    TickOutcome.PAUSED: "came while the job was paused",
    TickOutcome.DISABLED: "came while the job was disabled",
    TickOutcome.FORBIDDEN: "was forbidden",
    TickOutcome.RATE_LIMITED: "was rate-limited",
    TickOutcome.TOO_LATE: "came too late",
    TickOutcome.DEDUPLICATED: "was deduplicated",
    TickOutcome.MISSED: "was missed",
    TickOutcome.UNKNOWN: "is unaccounted for",
    TickOutcome.AWAITED: "has not started yet",
}
# Here the last run is worth a word.
WITHOUT_RUN = (TickOutcome.AWAITED, TickOutcome.MISSED, TickOutcome.UNKNOWN)
# What a verdict that no row of its own explains comes from, and what follows from it.
REASONS = {
    TickOutcome.SUPERSEDED: "A later tick had done its work: ticks are wake-ups, and nothing was left to do.",
    TickOutcome.LOCKED: "Whoever held the lease was doing the work; the next tick comes by itself.",
    TickOutcome.FORBIDDEN: "Its settings keep it out.",
    TickOutcome.DISABLED: "Its settings keep it out.",
    TickOutcome.PAUSED: "A paused job skips its ticks; the first tick after the pause does all the work.",
    TickOutcome.TOO_LATE: "It came after the job's grace was over: the job declares that it is better not run then.",
    TickOutcome.RATE_LIMITED: "It was asked for too often.",
    TickOutcome.SNOOZED: "The job itself put it off, which costs no attempt.",
    TickOutcome.ENQUEUED: "It was handed over to workers, and no worker has left a row yet.",
    TickOutcome.DEDUPLICATED: "It was delivered twice, and the run that took it first has left no row.",
    TickOutcome.AWAITED: f"It may still start: ticks are judged {SETTLING_TIME.seconds // 60} minutes after their time.",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """says: sentences. commands: what to type, and what for. facts: the same as data."""

    headline: str
    facts: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]
    data: Mapping[str, Any]


def explain(found: Trace, stage: str) -> Explanation:
    """In words. stage: the deployment that the trace is of; the commands act on it."""
    says = (*_of_the_tick(found), *_of_the_minute(found), *_of_now(found))
    return Explanation(_headline(found), says, tuple(_commands(found, stage)), found.data())


def _headline(found: Trace) -> str:
    name = found.job.name if found.target == NO_TARGET else f"{found.job.name} {found.target}"
    if found.job.queue:
        return f"{name} is driven by its queue {found.job.queue}, and has no ticks."
    if found.tick is None:
        return f"{name} has no schedule: it runs by hand."
    return f"{name}: its tick of {_time(found.tick)} {PREDICATES[found.record.outcome]}."


def _of_the_tick(found: Trace) -> Iterator[str]:
    if found.tick is None:
        return
    if found.minute != found.tick:
        yield f"It does not fire at {_time(found.minute)}; {_time(found.tick)} was its last tick before that."
    verdict, last = found.record.outcome, found.runs[-1] if found.runs else {}
    match verdict:
        case TickOutcome.RAN | TickOutcome.LATE:
            yield from _ran(found)
        case TickOutcome.FAILED | TickOutcome.LOST | TickOutcome.REFUSED:
            yield from _failed(found)
        case TickOutcome.MISSED:
            yield from _missed(found)
        case TickOutcome.UNKNOWN:
            yield from _unknown(found)
        case TickOutcome.RUNNING:
            yield "Its run has not ended."
        case _:
            note = last.get("note", "")
            yield f"It did not run: {note}. {REASONS[verdict]}" if note else REASONS[verdict]
    if found.from_daily_ledger:
        yield "Its row has expired: the ledger remembers this much of it."
    if twice := sum(row.get("duplicates", 0) for row in found.runs):
        yield f"It was delivered {_times(twice)} more; that came to nothing."
    elif found.record.duplicated:
        yield "It was delivered more than once; that came to nothing."
    if verdict in (TickOutcome.DISABLED, TickOutcome.FORBIDDEN):
        yield f"So it is still: {found.closed_gate}; deploy it otherwise." if found.closed_gate else "The gate is open now."


def _ran(found: Trace) -> Iterator[str]:
    done = next((row for row in found.runs if row.get("outcome") == "done"), None)
    if done is None:
        if not found.from_daily_ledger:
            yield "It finished, and died before it could write its row."
        return
    assert found.tick is not None
    after = clock.parse(done["started"]) - found.tick
    did = ", ".join(f"{count} {name}" for name, count in done.get("counts", {}).items()) or "nothing to do"
    yield f"Run {done['run']} started {_length(after)} after its time and took {done.get('ms', 0)} ms: {did}."
    if not done.get("ok", True):
        yield f"What it found was bad: {done.get('note', 'no reason given')}."
    if done.get("attempt", 1) > 1:
        yield f"It took {done['attempt']} attempts."
        yield from _attempts(found)
    if found.gap:
        yield f"It had been missed ({_gap(found)}), and was run after all, to catch up."
    elif found.record.outcome is TickOutcome.LATE:
        yield "It waited to be started: the function was throttled, the queue was long, or it was fired late."


def _failed(found: Trace) -> Iterator[str]:
    yield from _attempts(found)
    last = found.runs[-1] if found.runs else {}
    attempt, policy = last.get("attempt", 1), found.job.retry
    delay = policy.delay(attempt)
    if found.lease_held and str(found.claim.get("last_attempt", "")).startswith(found.position):
        yield f"Attempt {attempt + 1} of {policy.attempts} is at work."
    elif found.dead_letter:
        yield f"It was given up: dead letter {found.dead_letter['id'][:8]}, {found.dead_letter.get('reason', '')}."
    elif last.get("outcome") == "refused":
        yield "Nothing was done, and nothing is tried again: a person decides."
    elif not policy.delays:
        yield "It isn't tried again: the next tick does its work."
    elif delay is None:
        yield f"All {policy.attempts} attempts are used up; its dead letter is not stored yet."
    elif last:
        due = clock.parse(last["started"]) + timedelta(milliseconds=last.get("ms", 0), seconds=delay)
        latest = due + timedelta(seconds=delay * JITTER + 1)
        late = " It has not come: it waits in the queue firings." if found.now > latest + timedelta(minutes=1) else ""
        yield f"Attempt {attempt + 1} of {policy.attempts} is due from {due:%H:%M:%S} to {latest:%H:%M:%S} UTC.{late}"


def _attempts(found: Trace) -> Iterator[str]:
    for row in found.runs:
        if row.get("outcome") in ("failed", "lost", "refused"):
            number = f"Attempt {row.get('attempt', 1)} of {found.job.retry.attempts}"
            yield f"{number}, run {row['run']}, {_said(row)} at {row.get('started', '')[11:19]}: {row.get('note', '')}"


def _missed(found: Trace) -> Iterator[str]:
    yield (
        "Nothing came of it: no run, and no refusal. Its rule was disabled or not deployed, its event was dropped on "
        "the way, or nothing at all was running."
    )
    if not found.gap:
        if not found.from_daily_ledger:
            yield "The reconciler has not noted it yet; it looks every 5 minutes. Is it running?"
        return
    yield f"It is one of {_gap(found)}."
    covered = found.gap.get("covered", "")
    if covered:
        yield f"The tick of {covered[:10]} {covered[11:16]} UTC stood for it: each does all that is due."
    else:
        yield f"Its catch-up policy is {found.job.catches_up()}: the next tick does its work."


def _unknown(found: Trace) -> Iterator[str]:
    if found.from_daily_ledger:
        yield "It left no row that the ledger could still find when it looked."
    elif not found.in_ledger:
        yield "The ledger does not know the job: it has not been deployed, or the reconciler has not run since."
    elif found.tick and found.expected_since and found.tick < found.expected_since:
        yield f"It is not in the ledger, which counts the job's ticks from {_time(found.expected_since)}, after it was deployed."
    else:
        yield "It left no row, and rows that old have expired."


def _of_the_minute(found: Trace) -> Iterator[str]:
    for row in found.other_runs:
        target = row.get("target", NO_TARGET)
        what = f"the tick {row['tick'][:17]}" if "#" in row.get("tick", "") else "somebody, by hand"
        of = f" {target}" if target != NO_TARGET else ""
        yield f"In that minute run {row['run']}{of} started for {what}: {_said(row)}. {row.get('note', '')}".rstrip()


def _of_now(found: Trace) -> Iterator[str]:
    item, status = found.claim, found.claim.get("status") or {}
    yield from _held_back(found)
    if "holder" in item:
        until = datetime.fromtimestamp(item["lease_until"] / 1000, found.now.tzinfo)
        step = f"{item.get('step', 'started')}, {item.get('progress', 0)} %"
        if lost_runs.lease_expired(item, found.now):
            yield (
                f"Run {item['holder']} held the lease until {_clock(until)} and never gave it back: it died. The next "
                "tick takes over, and the reconciler notes it within 5 minutes."
            )
        else:
            yield f"Run {item['holder']} holds the lease until {_clock(until)} at the latest: {step}."
    if status.get("streak", 0) > 1:
        good = f"Its last good run began {status['lastGood']}." if status.get("lastGood") else "It has no good run yet."
        yield f"It has failed {_times(status['streak'])} in a row, first with: {status.get('firstError', '')}. {good}"
    if found.host_status:
        seen = found.host_status.get("status") or {}
        word = "well" if seen.get("ok") else f"bad: {seen.get('note', '')}"
        yield f"{found.target} was last looked at {seen.get('at', '')[:19]}, and was {word}."
    if item.get("checkpoint"):
        yield "A run was left unfinished: the next one goes on from its checkpoint."
    for queue, count in found.queued.items():
        yield f"{count} messages wait in {queue}." if count != 1 else f"1 message waits in {queue}."
    if found.tick is None and found.dead_letter:
        yield f"Its newest dead letter is {found.dead_letter['id'][:8]}: {found.dead_letter.get('error', '')}"
    if status and (found.tick is None or found.record.outcome in WITHOUT_RUN):
        yield f"It last ran {status.get('at', '')[:19]}: {_said(status)}. {status.get('note', '')}".rstrip()
    upcoming = min((next(schedule.after(found.now)) for schedule in found.job.schedules()), default=None)
    if upcoming:
        yield f"Its next tick is {_time(upcoming)}."


def _held_back(found: Trace) -> Iterator[str]:
    if "paused" in found.claim:
        yield f"It is paused now: {found.claim['paused']}."
    if found.budget_usage:
        yield found.budget_usage.sentence
    if found.claim.get("partial_pauses"):
        yield "Some of its targets or tenants are paused."


def _commands(found: Trace, stage: str) -> Iterator[tuple[str, str]]:
    name, enable = found.job.name, found.job.all_settings()[0]
    target = [] if found.target == NO_TARGET else ["--target", found.target]
    spent = found.budget_usage is not None and found.budget_usage.used_up
    if "paused" in found.claim or (found.record.outcome is TickOutcome.PAUSED and not found.budget_usage):
        yield advised(stage, "resume", name), "let it run again"
    elif spent:
        yield advised(stage, "resume", name), "let it spend as much again before its period is over"
    if found.dead_letter:
        yield advised(stage, "dead", "show", found.dead_letter["id"][:8]), "what was given up, in full"
        yield advised(stage, "dead", "retry", found.dead_letter["id"][:8]), "send it again"
    if spent:
        larger = f"the settings; with a larger {found.job.env}_BUDGET, once deployed, it goes on"
        yield without_stage("env"), larger
    if found.closed_gate:
        yield without_stage("env"), f"the settings; {enable.name} and others are deployed with the function"
    if (
        found.record.outcome in (TickOutcome.MISSED, TickOutcome.UNKNOWN, TickOutcome.FAILED, TickOutcome.LOST)
        and not found.job.queue
    ):
        yield advised(stage, name, *target, "--dry-run"), "what a run would do now"
        yield advised(stage, name, *target), "run it now"
    if found.record.outcome is TickOutcome.MISSED and not found.gap:
        yield advised(stage, "runs", "reconciler"), "whether it still looks"
    yield advised(stage, "runs", name), "how its runs ended"
    yield advised(stage, "logs", name), "what they said"


def _gap(found: Trace) -> str:
    count, since, to = found.gap["count"], found.gap["from"], found.gap["to"]
    return f"{count} ticks missed in a row, {since} to {to}" if count > 1 else "one missed tick"


def _said(row: Mapping[str, Any]) -> str:
    outcome = str(row.get("outcome", "it has not ended"))
    if outcome == "done" and not row.get("ok", True):
        return "bad"
    return {"lost": "died without a word"}.get(outcome, outcome)


def _time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _clock(instant: datetime) -> str:
    return f"{instant:%H:%M:%S} UTC"


def _length(span: timedelta) -> str:
    seconds = max(0, round(span.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h {seconds % 3600 // 60} min"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
