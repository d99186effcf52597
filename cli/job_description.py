"""Describe one job from its declaration.

Guarantee, facts, permissions, settings and runbook, as plain data. Facts are those in force in this environment.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from cli import certificates, output
from shared import advised_commands
from shared.advised_commands import advised
from shared.aws.names import LOCAL
from shared.job import in_force, retention
from shared.job.definition import Job
from shared.job.in_force import DECLARED, InForce
from shared.job.schedule import CatchUp

if TYPE_CHECKING:
    from cli.shapes.jobs import DescribedJob

BY_HAND = "by hand"
# Facts that a variable of the environment may override, and the name of the value.
OVERRIDABLE = {
    "enabled": "enabled",
    "fires (UTC)": "schedule",
    "retry": "retry",
    "items per run": "cap",
    "budget": "budget",
    "history": "retention",
}


def describe(job: Job) -> DescribedJob:
    """The description as JSON data."""
    return {
        "name": job.name,
        "group": job.group,
        "purpose": job.purpose(),
        "description": inspect.getdoc(job) or "",
        "source": f"{job.module.replace('.', '/')}.py",
        "guarantee": [" ".join(text.split()) for text in _guarantee(job)],
        "proof": certificates.proof_of(job),
        "facts": dict(_facts_in_force(job)),
        "permissions": [
            {"resource": grant.resource, "keys": list(grant.keys), "actions": list(grant.actions)}
            for grant in job.grants()
        ],
        "settings": [
            {"name": setting.name, "default": setting.default, "meaning": setting.meaning}
            for setting in job.all_settings()
        ],
        "runbook": list(_runbook(job)),
        "commands": [{"command": command, "for": purpose} for command, purpose in _commands(job)],
    }


def fires(job: Job) -> str:
    """The schedules or the queue that start the job, or BY_HAND."""
    if job.queue:
        return f"queue {job.queue}"
    return ", ".join(map(str, job.schedules())) or BY_HAND


def short_guarantee(job: Job) -> str:
    """The guarantee and the idempotency strategy, in a few words."""
    delivery = "at least once" if job.queue else "once per tick"
    strategy = f", {job.idempotency.strategy}" if job.idempotency else ""
    return f"{delivery}{strategy}{', effects once' if job.effects else ''}"


def _guarantee(job: Job) -> Iterator[str]:
    if job.queue:
        yield (
            "Messages are delivered at least once and in any order. Only the failed messages of a batch are delivered "
            "again; a message that can never succeed is dead-lettered at once."
        )
    else:
        yield (
            "The work of a tick is done once: the same tick delivered again is `deduplicated`, an older tick after a "
            "newer success is `superseded`, and two runs never overlap."
        )
    if job.idempotency:
        yield f"Running it twice is safe ({job.idempotency.strategy}): {job.idempotency.why}."
    if job.effects:
        yield (
            "An effect on an external system is performed once for each key. An interrupted effect is reported "
            f"as uncertain and not repeated. Effects are remembered for {output.span(job.effects)}."
        )


def _facts_in_force(job: Job) -> Iterator[tuple[str, str]]:
    """Yield each fact with its text.

    It names the variable that overrides the declaration.
    """
    active = in_force.values(job, os.environ)
    for name, value in _facts(job, active).items():
        origin = active.origins.get(OVERRIDABLE.get(name, ""), DECLARED)
        if value is not None:
            yield name, str(value) if origin == DECLARED else f"{value} (set by {origin})"


def _facts(job: Job, active: InForce) -> dict[str, object]:
    retained = retention.read(job.retention)
    return {
        "fires (UTC)": fires(job),
        "retry": job.retry,
        "timeout": f"{job.timeout} s",
        "memory": f"{job.memory} MB",
        "items per run": f"at most {active.cap:,}",
        "budget": active.budget,
        "shards": job.shards if job.shards > 1 else None,
        "late after": f"{job.grace} s" if job.grace is not None else None,
        "missed ticks": _catch_up(job) if job.schedules() else None,
        "dead letters": job.dead_queue() if job.queue else "firings-dlq",
        "status key": f"{job.key}:last" + ("" if job.queue else f", {job.key}:last:<target>"),
        "history": f"{_retention(retained.completed)}; failed runs {_retention(retained.failed)}",
        "enabled": None if active.enabled else "no",
        "costly": "disabled in production until it is enabled" if job.costly else None,
    }


def _retention(limits: retention.Limit) -> str:
    return f"{output.span(limits.age)}, at most {limits.count:,}"


def _catch_up(job: Job) -> str:
    return "the newest one is run late" if job.catches_up() is CatchUp.ONCE else "the next tick does their work"


def _runbook(job: Job) -> Iterator[str]:
    if job.queue:
        delay = output.span(timedelta(seconds=6 * job.timeout))
        yield f"A failed message is delivered again after {delay}, 5 times in all; then it is dead-lettered."
    elif not job.retry.delays:
        yield "A failed run is not retried: the next tick does its work."
    else:
        yield f"A tick is attempted {job.retry.attempts} times before it is dead-lettered; the next tick still fires."
    flags = " ".join(advised_commands.flags("STAGE"))
    yield f"The commands below use the local cloud; `{flags}` selects a stage of an AWS account."
    yield f"To stop the job, deploy with {job.all_settings()[0].name}=false; its ticks are then recorded as `disabled`."


def _commands(job: Job) -> Iterator[tuple[str, str]]:
    yield advised(LOCAL, "why", job.name), "explain its last tick, and what to do"
    yield advised(LOCAL, "runs", job.name), "list its runs"
    yield advised(LOCAL, "logs", job.name, "--since", "1h"), "print its log"
    yield advised(LOCAL, "dead", "list", job.name), "list its dead letters"
    if job.effects:
        yield advised(LOCAL, "effects", job.name), "list its effects whose outcome is unknown"
    if job.queue is None:
        yield advised(LOCAL, job.name, "--dry-run"), "print what a run would do now"
        yield advised(LOCAL, job.name), "run it now, in this process"
    yield advised(LOCAL, "test", job.name), "run it on its sample event"
