"""Rules for job declarations, checked when the class is created.

An error names the place and the correction.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from shared.job import retention
from shared.job.retry import LONGEST_RUN_DELAY
from shared.job.schedule import CatchUp

# Lambda stops a chain of Lambda and SQS at about 16 invocations.
MAX_HOPS = 14
# Commands of jobs.py, whose names no job may take.
COMMANDS = frozenset(
    (
        *("list", "describe", "test", "runs", "why", "status", "apply", "pause", "resume", "dead", "crontab", "env"),
        *("doctor", "drift", "preflight", "cost", "queues", "logs", "mail", "load", "seed", "worker", "up", "top"),
        *("heatmap", "new", "generate", "token", "effects", "sums", "pauses", "reset", "completion", "send"),
        *("run", "replay", "mute", "console", "destroy", "urls"),
    )
)


class DeclarationError(Exception):
    """An invalid declaration; the message contains the place and the correction."""


def hops(attempts: int) -> int:
    """Lambda invocations in the longest chain of one tick.

    The run, two per retry, and the dead-letter store.
    """
    return 1 + 2 * (attempts - 1) + 1


# A predicate that is true for an invalid job class, and the error, formatted with the class as `job`.
Rule = tuple[Callable[[Any], object], str]


def _valid_retention(text: str) -> bool:
    try:
        retention.read(text)
    except ValueError:
        return False
    return True


RULES: tuple[Rule, ...] = (
    (
        lambda job: not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", job.name),
        "the name {job.name!r} must be lower-case words joined by hyphens",
    ),
    (
        lambda job: len(job.name) > 40,
        "the name {job.name!r} is too long; a function's name leaves 40 characters for it",
    ),
    (
        lambda job: job.name in COMMANDS,
        "the name {job.name!r} is a command of jobs.py; rename the module",
    ),
    (lambda job: not job.__doc__, "has no docstring; its first line is the job's purpose"),
    (
        lambda job: job.idempotency is None,
        "declares no idempotency: natural, upsert, keyed, flag_check or version_check, with the reason",
    ),
    (lambda job: job.cap < 1, "cap is {job.cap}; a run must be allowed at least 1 item"),
    (lambda job: not 10 <= job.timeout <= 900, "timeout is {job.timeout} s; a run needs 10 and Lambda allows 900"),
    (lambda job: not 128 <= job.memory <= 10_240, "memory is {job.memory} MB; Lambda allows 128 to 10240"),
    (lambda job: job.shards < 1, "shards is {job.shards}; it must be at least 1"),
    (
        lambda job: not _valid_retention(job.retention),
        "retention is {job.retention!r}; " + retention.ACCEPTED,
    ),
    (
        lambda job: job.catch_up is not None and not isinstance(job.catch_up, CatchUp),
        "catch_up is {job.catch_up!r}; it must be CatchUp.NONE or CatchUp.ONCE",
    ),
    (
        lambda job: job.catch_up and not job.schedules(),
        "declares catch_up without a schedule whose ticks could be missed",
    ),
    (
        lambda job: job.catch_up is CatchUp.ONCE and job.grace is not None,
        "runs missed ticks late by CatchUp.ONCE and drops late ticks by a grace of {job.grace} s; remove one of them",
    ),
    (
        lambda job: max(job.retry.delays, default=0) > LONGEST_RUN_DELAY,
        "retry waits longer than the 900 s that a queue can delay; keep such items with a due time of their own",
    ),
    (
        lambda job: hops(job.retry.attempts) > MAX_HOPS,
        "retry has {job.retry.attempts} attempts; a chain of 14 hops carries at most 7",
    ),
    (
        lambda job: job.effects is not None and not timedelta(days=1) <= job.effects <= timedelta(days=400),
        "effects is {job.effects}; it must be 1 to 400 days, longer than a request for an effect can be repeated",
    ),
    (lambda job: job.budget and job.budget.fault, "has an invalid budget: {job.budget.fault}"),
    (
        lambda job: job.budget and job.queue,
        "declares a budget and a queue; batches run concurrently without a claim to count on: limit concurrency",
    ),
    (
        lambda job: job.budget and (job.budget.items or job.shards) < job.shards,
        "has a budget of {job.budget.items} items and {job.shards} shards; each shard needs 1 at least",
    ),
    (lambda job: job.queue and job.schedules(), "declares a queue and a schedule; a job is driven by one of them"),
    (lambda job: "work" not in methods(job), "has no work(run)"),
)


def check(job: type[Any]) -> None:
    """Raise DeclarationError for the first rule that the class violates."""
    for invalid, message in (*RULES, *job.rules):
        if invalid(job):
            raise DeclarationError(f"{where(job)}: {message.format(job=job)}")


def where(cls: type) -> str:
    """`functions/sites/pricing.py:12 Pricing`, or the class's `origin` if it has one."""
    if origin := getattr(cls, "origin", ""):
        return str(origin)
    try:
        file = Path(inspect.getfile(cls))
        text = file.read_text()
    except (OSError, TypeError):
        return f"{cls.__module__}.{cls.__name__}"
    path = "/".join(file.parts[file.parts.index("functions") :]) if "functions" in file.parts else file.name
    match = re.search(rf"^[ ]*class {cls.__name__}\b", text, re.MULTILINE)
    line = text.count("\n", 0, match.start()) + 1 if match else 1
    return f"{path}:{line} {cls.__name__}"


def methods(job: type[Any], root: str = "shared.job.definition") -> set[str]:
    """Names defined by a class and its bases outside module `root`.

    Only bases below the class of that module count.
    """
    order = job.__mro__
    end = next(number for number, cls in enumerate(order) if cls.__module__ == root)
    return {name for cls in order[:end] for name in vars(cls)}
