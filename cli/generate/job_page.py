"""A job's page in docs/jobs: what it is for, what it promises, what it may touch, and what to do when it fails."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from datetime import timedelta

from cli import output
from shared import advised_commands
from shared.advised_commands import advised
from shared.aws.names import LOCAL
from shared.job import retention
from shared.job.definition import Job
from shared.job.schedule import CatchUp

WRITTEN = "<!-- Written by `make generate` from the declaration; change that instead. -->"


def of(job: Job) -> str:
    """The page in Markdown, ending in a newline."""
    parts = (_head(job), _guarantee(job), _facts(job), _permissions(job), _settings(job), _runbook(job))
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def index(jobs: Iterable[Job]) -> str:
    """The list of all pages."""
    lines = [WRITTEN, "", "# Jobs", "", "| job | group | fires (UTC) | purpose |", "|---|---|---|---|"]
    lines += [f"| [{job.name}]({job.name}.md) | {job.group} | {_fires(job)} | {_cell(job.purpose())} |" for job in jobs]
    return "\n".join(lines) + "\n"


def _head(job: Job) -> Iterator[str]:
    source = f"functions/{job.group}/{job.module.rpartition('.')[2]}.py"
    yield from (WRITTEN, "", f"# {job.name}", "", inspect.getdoc(job) or "", "")
    yield f"Declared in [`{source}`](../../{source})."


def _guarantee(job: Job) -> Iterator[str]:
    yield from ("## Guarantee", "")
    if job.queue:
        yield (
            "Messages come at least once and in no order. A message that fails comes back alone; one that can never "
            "succeed goes to the dead letters at once."
        )
    else:
        yield (
            "A tick's work is done once: the same tick delivered again is `deduplicated`, an older tick after a newer "
            "success is `superseded`, and two runs never work at once."
        )
    yield ""
    if job.idempotency:
        yield f"Running it twice is safe ({job.idempotency.strategy}): {job.idempotency.why}."
    if job.effects:
        yield ""
        yield (
            "What it does to the world outside is done once for each key; what nobody knows of after a death is shown, "
            f"and not repeated: [effects](../effects.md). They are remembered for {output.span(job.effects)}."
        )


def _facts(job: Job) -> Iterator[str]:
    kept = retention.read(job.retention)
    yield from ("## Facts", "", "| | |", "|---|---|")
    facts = {
        "fires (UTC)": _fires(job),
        "retry": _cell(str(job.retry)),
        "timeout": f"{job.timeout} s",
        "memory": f"{job.memory} MB",
        "most items a run": job.cap,
        "budget": job.budget,
        "shards": job.shards if job.shards > 1 else None,
        "late after": f"{job.grace} s" if job.grace is not None else None,
        "missed ticks": _caught_up(job) if job.schedules() else None,
        "dead letters": f"`{job.dead_queue()}`" if job.queue else "`firings-dlq`",
        "status key": f"`{job.key}:last`" + ("" if job.queue else f", `{job.key}:last:<target>`"),
        "runs kept": f"{_rows(kept.completed)}; failed ones {_rows(kept.failed)}",
        "costly": "off in production until it is enabled" if job.costly else None,
    }
    yield from (f"| {name} | {value} |" for name, value in facts.items() if value is not None)


def _rows(kept: retention.Kept) -> str:
    return f"{output.span(kept.age)}, at most {kept.count:,}"


def _caught_up(job: Job) -> str:
    return "the newest is run late" if job.catches_up() is CatchUp.ONCE else "the next tick does their work"


def _permissions(job: Job) -> Iterator[str]:
    yield from ("## Permissions", "", "Its role allows this and nothing else.", "")
    yield from ("| on | bounded to | actions |", "|---|---|---|")
    for grant in job.grants():
        bound = ", ".join(f"`{key}`" for key in grant.keys)
        yield f"| `{grant.resource}` | {bound} | {', '.join(f'`{action}`' for action in grant.actions)} |"


def _settings(job: Job) -> Iterator[str]:
    yield from ("## Settings", "", "Environment variables; deployed functions take them from the deployment's.", "")
    yield from ("| name | default | meaning |", "|---|---|---|")
    for setting in job.all_settings():
        default = f"`{setting.default}`" if setting.default else ""
        yield f"| `{setting.name}` | {default} | {_cell(setting.meaning)} |"


def _runbook(job: Job) -> Iterator[str]:
    enable = job.all_settings()[0]
    yield from ("## When it fails", "")
    flags = " ".join(advised_commands.flags("STAGE"))
    yield f"Everything below works on the local cloud; with `{flags}`, on that stage of an account. {_first_aid(job)}"
    yield from ("", "```sh")
    steps = [
        (advised(LOCAL, "why", job.name), "what became of its last tick, and what to do"),
        (advised(LOCAL, "runs", job.name), "how its runs ended"),
        (advised(LOCAL, "logs", job.name, "--since", "1h"), "what it said meanwhile"),
        (advised(LOCAL, "dead", "list", job.name), "what was given up"),
    ]
    if job.effects:
        steps.append((advised(LOCAL, "effects", job.name), "what it did outside that nobody knows the end of"))
    if job.queue is None:
        steps += [
            (advised(LOCAL, job.name, "--dry-run"), "what a run would do now"),
            (advised(LOCAL, job.name), "run it now, in this process"),
        ]
    steps.append((advised(LOCAL, "test", job.name), "run it on its sample event"))
    width = max(len(line) for line, _ in steps)
    yield from (f"{line:<{width}}   # {why}" for line, why in steps)
    yield from ("```", "")
    yield f"To stop it, deploy with `{enable.name}=false`; its ticks are then recorded as `disabled`."


def _first_aid(job: Job) -> str:
    if job.queue:
        return f"Failed messages come back after {output.span(timedelta(seconds=6 * job.timeout))}, 5 times in all."
    if not job.retry.delays:
        return "It isn't retried: the next tick catches up."
    return f"It is tried {job.retry.attempts} times before it becomes a dead letter; the next tick comes all the same."


def _fires(job: Job) -> str:
    if job.queue:
        return f"queue `{job.queue}`"
    return ", ".join(f"`{schedule}`" for schedule in job.schedules()) or "by hand"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
