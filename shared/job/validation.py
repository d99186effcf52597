"""What a declaration must hold, asked when the class is made; a refusal says where and what to do."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.job import retention
from shared.job.retry import LONGEST_RUN_DELAY
from shared.job.schedule import CatchUp

if TYPE_CHECKING:
    from shared.job.definition import Job

# Lambda cuts a chain of Lambda and SQS at about 16 invocations.
MOST_HOPS = 14
COMMANDS = frozenset(
    (
        *("list", "test", "runs", "why", "status", "apply", "pause", "resume", "dead", "crontab", "env", "heatmap"),
        *("doctor", "drift", "preflight", "cost", "queues", "logs", "mail", "load", "seed", "worker", "up", "top"),
        *("new", "generate", "token", "effects", "sums"),
    )
)


class DeclarationError(Exception):
    """A declaration that is refused; the message says where and what to do."""


def hops(attempts: int) -> int:
    """Lambda invocations in the longest chain of one tick: the run, two for each retry, and the dead-letter store."""
    return 1 + 2 * (attempts - 1) + 1


# What is wrong, and the sentence for it, formatted with the class as `job`.
Refusal = tuple[Callable[[Any], object], str]
REFUSALS: tuple[Refusal, ...] = (
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
        "a job may not be named {job.name!r}: that is a command of jobs.py; rename the module",
    ),
    (lambda job: not job.__doc__, "has no docstring; its first line is the job's purpose"),
    (
        lambda job: job.idempotency is None,
        "declares no idempotency; say natural, upsert, keyed, flag_check or version_check, and why it holds",
    ),
    (lambda job: job.cap < 1, "cap is {job.cap}; a run must be allowed at least 1 item"),
    (lambda job: not 10 <= job.timeout <= 900, "timeout is {job.timeout} s; a run needs 10 and Lambda allows 900"),
    (lambda job: not 128 <= job.memory <= 10_240, "memory is {job.memory} MB; Lambda allows 128 to 10240"),
    (lambda job: job.shards < 1, "shards is {job.shards}; it must be at least 1"),
    (
        lambda job: _unreadable(job.retention),
        "retention is {job.retention!r}; " + retention.ACCEPTED,
    ),
    (
        lambda job: job.catch_up is not None and not isinstance(job.catch_up, CatchUp),
        "catch_up is {job.catch_up!r}; say CatchUp.NONE or CatchUp.ONCE",
    ),
    (
        lambda job: job.catch_up and not job.schedules(),
        "declares catch_up, and no schedule whose ticks could be missed",
    ),
    (
        lambda job: job.catch_up is CatchUp.ONCE and job.grace is not None,
        "runs missed ticks late by catch_up, and runs none {job.grace} s after its time by grace; say one of them",
    ),
    (
        lambda job: max(job.retry.delays, default=0) > LONGEST_RUN_DELAY,
        "retry waits longer than the 900 s that a queue can delay; keep such items with a due time of their own",
    ),
    (
        lambda job: hops(job.retry.attempts) > MOST_HOPS,
        "retry has {job.retry.attempts} attempts; 7 are the most that a chain of 14 hops can carry",
    ),
    (
        lambda job: job.effects is not None and not timedelta(days=1) <= job.effects <= timedelta(days=400),
        "effects are remembered for {job.effects}; say 1 to 400 days, longer than what asks for one may come back",
    ),
    (lambda job: job.budget and job.budget.fault, "has a budget that cannot hold: {job.budget.fault}"),
    (
        lambda job: job.budget and job.queue,
        "declares a budget and a queue; batches work side by side, and hold no claim to count on: bound concurrency",
    ),
    (
        lambda job: job.budget and (job.budget.items or job.shards) < job.shards,
        "has a budget of {job.budget.items} items and {job.shards} shards; each shard needs 1 at least",
    ),
    (lambda job: job.queue and job.schedules(), "declares a queue and a schedule; a job is driven by one of them"),
    (lambda job: "work" not in _methods(job), "has no work(tick)"),
)

OF_PURGE: tuple[Refusal, ...] = (
    (lambda job: not hasattr(job, "table"), "says not whose rows it deletes; table = one of shared/tables.py"),
    (
        lambda job: not isinstance(getattr(job, "keep", None), timedelta) or job.keep < timedelta(0),
        "says not how long rows are kept; keep = days(30), or days(0) where the index has the instant they end at",
    ),
    (
        lambda job: job.kinds and not (job.index and all(re.fullmatch("[a-z]+", kind) for kind in job.kinds)),
        "keeps the kinds {job.kinds}; a kind is a lower-case word, in an index by age",
    ),
    (
        lambda job: job.index and job.index not in {index.name for index in job.table.indexes},
        "table {job.table.name!r} has no index {job.index!r} by age; declare it in shared/tables.py",
    ),
    (
        lambda job: not job.index and "partitions" not in _methods(job, "shared.archetypes.purge"),
        'index is "", the table\'s own key, and no partitions(tick) says which partitions to look at',
    ),
    (
        lambda job: (
            job.warn is not None and not (job.index and timedelta(0) < job.warn < min((job.keep, *job.kinds.values())))
        ),
        "warns {job.warn} before a row goes; that needs an index, and must be less than the {job.keep} it is kept",
    ),
    (
        lambda job: job.warn is not None and not {"warning", "send"} <= _methods(job, "shared.archetypes.purge"),
        "warns, and has no warning(row) that says what, or no send(tick, message, token)",
    ),
    (
        lambda job: not all(folder.endswith("/") and len(folder) > 1 for folder in job.objects.values()),
        "deletes objects of {job.objects}; name the folder of each, as in {{'raw': 'mail/'}}",
    ),
    (
        lambda job: job.warn is not None and job.effects is None,
        "warns, and says not how long that is remembered; effects = days(60)",
    ),
    (
        lambda job: job.index and not _shown(job).issuperset((*job.holds, *job.reads, *job.objects)),
        "holds or reads what the index {job.index!r} does not include; add it there, at the price of its writes",
    ),
    (lambda job: job.most < 1, "most is {job.most}; a tick must be allowed at least 1 row"),
    (lambda job: job.timeout < 30, "timeout is {job.timeout} s; a purge keeps 10 back for its end, so give it 30"),
)


def check(job: type[Job]) -> None:
    """Raise DeclarationError for the first thing that is wrong with it."""
    for wrong, sentence in (*REFUSALS, *job.refusals):
        if wrong(job):
            raise DeclarationError(f"{where(job)}: {sentence.format(job=job)}")


def _unreadable(kept: str) -> bool:
    try:
        retention.read(kept)
    except ValueError:
        return True
    return False


def where(cls: type) -> str:
    """`functions/sites/pricing.py:12 Pricing`, or where it says itself that it is declared."""
    if origin := getattr(cls, "origin", ""):
        return str(origin)
    try:
        file = Path(inspect.getfile(cls))
        text = file.read_text()
    except (OSError, TypeError):
        return f"{cls.__module__}.{cls.__name__}"
    shown = "/".join(file.parts[file.parts.index("functions") :]) if "functions" in file.parts else file.name
    found = re.search(rf"^[ ]*class {cls.__name__}\b", text, re.MULTILINE)
    line = text.count("\n", 0, found.start()) + 1 if found else 1
    return f"{shown}:{line} {cls.__name__}"


def _methods(job: type[Job], root: str = "shared.job.definition") -> set[str]:
    """Names that the job or an archetype of it defines, beyond what the class of module `root` has."""
    order = job.__mro__
    end = next(number for number, cls in enumerate(order) if cls.__module__ == root)
    return {name for cls in order[:end] for name in vars(cls)}


def _shown(job: Any) -> set[str]:
    """Attributes that a purge finds in its index."""
    [index] = (index for index in job.table.indexes if index.name == job.index)
    return {job.table.pk, job.table.sk, index.pk, index.sk, *index.include}
