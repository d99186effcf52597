"""Commands with which an operator acts on what a trace shows."""

from __future__ import annotations

from collections.abc import Iterator

from shared.admin.reset_position import position_ahead
from shared.admin.trace import Trace
from shared.advised_commands import advised, deployment, without_stage
from shared.aws.names import NO_TARGET
from shared.ledger.ledger import TickOutcome
from shared.plans import BRAKE
from shared.run.pauses import TARGET

RUN_AGAIN = (TickOutcome.MISSED, TickOutcome.UNKNOWN, TickOutcome.FAILED, TickOutcome.LOST)


def commands(trace: Trace, stage: str) -> Iterator[tuple[str, str]]:
    """Yield commands, each with its purpose; the most useful first."""
    name, outcome = trace.job.name, trace.record.outcome
    yield from _missed(trace, stage)
    yield from _settings_and_pauses(trace, stage)
    if trace.dead_letter:
        letter = trace.dead_letter["id"][:8]
        yield advised(stage, "dead", "show", letter), "show the dead letter with its payload"
        if trace.dead_letter.get("reason") == "rejected":
            group = ["--group", trace.dead_letter["fingerprint"]] if "fingerprint" in trace.dead_letter else []
            purge = advised(stage, "dead", "purge", name, *group, "--failed", "rejected", "--dry-run")
            yield purge, "list what can be deleted; a redrive would be rejected again"
        else:
            yield advised(stage, "dead", "retry", letter), "redrive it"
    if outcome in RUN_AGAIN and not trace.job.queue:
        target = [] if trace.target == NO_TARGET else ["--target", trace.target]
        yield advised(stage, name, *target, "--dry-run"), "show what a run would do now"
        yield advised(stage, name, *target), "run it now"
    if outcome is TickOutcome.MISSED and not trace.gap:
        yield advised(stage, "runs", "reconciler"), "check that the reconciler runs"
    yield advised(stage, "runs", name), "list its runs and their outcomes"
    yield advised(stage, "logs", name), "show their log lines"


def _missed(trace: Trace, stage: str) -> Iterator[tuple[str, str]]:
    """Yield the commands that mend what keeps events from starting the job."""
    if trace.cause and trace.cause.delivery.restorable:
        restore = advised(stage, "drift", "--restore", trace.job.name, "--reason", "missed ticks")
        yield restore, "enable what starts it again"
    if trace.cause and trace.cause.delivery.missing:
        yield deployment(stage), "deploy what starts it"


def _settings_and_pauses(trace: Trace, stage: str) -> Iterator[tuple[str, str]]:
    if position_ahead(trace.claim, trace.now) or "quarantined" in trace.claim:
        target = [] if trace.target == NO_TARGET or trace.whole_tick else ["--target", trace.target]
        yield advised(stage, "reset", trace.job.name, *target), "forget the position from a wrong clock"
    if trace.braked_plan:
        yield advised(stage, "apply", trace.braked_plan), "do what the brake stopped, exactly as planned"
    for pause in trace.partial_pauses.values():
        kind, _, name = pause.part.partition("#")
        part = ["--target", name] if kind == TARGET else ["--tenant", name]
        yield advised(stage, "resume", trace.job.name, *part), f"end the pause of {kind} {name}"
    resume = advised(stage, "resume", trace.job.name)
    used_up = trace.budget_usage is not None and trace.budget_usage.used_up
    # The claim item of a target has the pause of the target, whose command is above.
    own = f"{TARGET}#{trace.target}" in trace.partial_pauses
    if str(trace.claim.get("paused", "")).startswith(BRAKE):
        yield resume, "approve the size that is due, and end the pause"
    elif ("paused" in trace.claim and not own) or (
        trace.record.outcome is TickOutcome.PAUSED and not trace.budget_usage and not own
    ):
        yield resume, "end the pause"
    elif used_up:
        yield resume, "grant its budget once more before its period ends"
    if used_up:
        budget = f"{trace.job.env}_BUDGET"
        yield without_stage("env"), f"show the settings; deployed with a larger {budget}, the job continues"
    if trace.closed_gate:
        # Also of a job whose code is not here.
        enable = f"{trace.job.env}_ENABLE"
        yield without_stage("env"), f"show the settings; {enable} and others are deployed with the function"
