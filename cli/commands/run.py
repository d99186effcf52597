"""Run a job in this process, by the same path as on AWS: `python jobs.py <job>`, and what a crontab line calls."""

from __future__ import annotations

import argparse
import difflib
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from cli import dry_run, job_settings, options, output, readonly_cloud
from cli.exit_codes import Exit, Stop
from cli.watchdog import Watchdog
from shared import clock
from shared.archetypes.sweep import Sweep
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET
from shared.clock import Clock
from shared.http import sites
from shared.job import manifest, registry
from shared.job.definition import INLINE, Job
from shared.job.registry import UnknownJob
from shared.job.settings import BASE_URLS
from shared.observability.log import Log, to_stderr
from shared.run import lost_runs
from shared.run.context import RunContext
from shared.run.firing import TURNS, Firing
from shared.run.run import RunReport, run, run_id

NOW = "now"
BAD_ENDS = ("failed", "lost")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="print what the run would do, and do none of it")
    parser.add_argument(
        "--at", metavar="TIME", help="run the tick of this time, ISO 8601 in UTC or with its zone; `now`: this minute's"
    )
    parser.add_argument("--target", metavar="T", help="the host or shard to run for, where the job has several")
    parser.add_argument("--json", action="store_true", help="one JSON object; logs go to stderr either way")
    options.arguments(parser)


def call(args: argparse.Namespace) -> int:
    job = found(args.job)
    if job.queue is not None:
        raise Stop(
            Exit.WRONG_USE,
            f"{job.name} is driven by its queue {job.queue!r}, not by a tick; "
            f"`{options.advised(args, 'test', job.name)}` gives it its sample messages",
        )
    now = Clock().now()
    at = instant(args.at, now) if args.at else None
    with options.opened(args) as cloud, job_settings.of(job, cloud) as job:
        target = targeted(job, args.target)
        if args.dry_run:
            return _plan(job, by_hand(job, at or now, target), cloud, args)
        firing = by_hand(job, now, target) if at is None else of_tick(job, at, target, cloud)
        return finished(perform(job, firing, cloud), args.json)


def found(name: str) -> Job:
    """The job of that name. Raises UnknownJob, which suggests the nearest of jobs and commands."""
    from cli.main import COMMANDS

    known = registry.jobs()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, [*known, *COMMANDS], n=1)
    if near and near[0] in COMMANDS:
        raise Stop(Exit.WRONG_USE, f"there is no job and no command {name!r}; did you mean {near[0]!r}?")
    raise UnknownJob(name, list(known))


def targeted(job: Job, target: str | None) -> str:
    """The target as asked for. Raises Stop where the job has none of that name."""
    if target is None:
        return NO_TARGET
    if isinstance(job, Sweep) and job.by_name:
        return target
    known: Sequence[str] = ()
    if job.shards > 1:
        known = [str(number) for number in range(job.shards)]
    elif BASE_URLS in job.all_settings():
        known = sites.parse(BASE_URLS.read()).hosts
    if target not in known:
        has = f"it has {', '.join(known)}" if known else "it has none; leave --target out"
        raise Stop(Exit.WRONG_USE, f"{job.name} has no target {target!r}; {has}")
    return target


def instant(text: str, now: datetime) -> datetime:
    """The minute that `--at` means, in UTC."""
    if text == NOW:
        return now.replace(second=0, microsecond=0)
    try:
        at = clock.parse(text)
    except ValueError:
        raise Stop(
            Exit.WRONG_USE, f"--at {text!r} is no time; say ISO 8601, as in {clock.minute(now)}, or `now`"
        ) from None
    if at > now:
        raise Stop(Exit.WRONG_USE, f"--at {text} lies in the future; it is {clock.minute(now)}")
    return at.replace(second=0, microsecond=0)


def by_hand(job: Job, at: datetime, target: str) -> Firing:
    return Firing(job.name, at, target=target, manual=True, retried=False, by=INLINE, correlation_id=uuid.uuid4().hex)


def of_tick(job: Job, at: datetime, target: str, cloud: Cloud) -> Firing:
    """The firing of that very tick; the next attempt of it where one has failed and nobody is at work on it."""
    item = lost_runs.claim_item(cloud, manifest.of([job])[job.name], target)
    firing = Firing(job.name, at, target=target, retried=False, correlation_id=uuid.uuid4().hex)
    tried = str(item.get("tried", ""))
    made = int(tried.split("#")[2]) if tried.startswith(firing.position) and "holder" not in item else 0
    redrive, attempts = divmod(made, TURNS)
    return replace(firing, attempt=attempts + 1, redrive=redrive)


def perform(job: Job, firing: Firing, cloud: Cloud) -> RunReport:
    with Watchdog(cloud, job, firing) as watchdog:
        return run(job, firing, cloud, Log(to_stderr, cloud.clock), watchdog.request)


def facts(report: RunReport) -> dict[str, Any]:
    """What is printed of a run: in `--json`, and in one line by `summary`."""
    started = clock.parse(report.run_id[:20])
    bad = report.outcome in BAD_ENDS
    return {
        "job": report.job,
        "run_id": report.run_id,
        "tick": report.tick,
        "target": report.target,
        "start": clock.iso(started),
        "end": clock.iso(started + timedelta(milliseconds=report.ms)),
        "status": report.outcome,
        "outcome": report.outcome,
        "ok": report.ok,
        "ms": report.ms,
        "counts": dict(report.counts),
        "note": "" if bad else report.note,
        "error": report.note if bad else None,
        "artifact": report.artifact,
    }


def finished(report: RunReport, as_json: bool) -> int:
    """Print the summary; the exit code."""
    shown, bad = facts(report), report.outcome in BAD_ENDS
    if as_json:
        output.document(shown)
    else:
        print(summary(shown))
    if report.outcome == "refused":
        return Exit.REFUSED
    return Exit.FAILED if bad else Exit.DONE


def summary(shown: dict[str, Any]) -> str:
    """One line of `name=value`, for crontab mails and greps; text with spaces is quoted."""
    names = ("job", "run_id", "target", "start", "end", "status", "ok", "ms")
    told = {name: shown[name] for name in names}
    if shown["counts"]:
        told["counts"] = ",".join(f"{name}:{count}" for name, count in shown["counts"].items())
    told |= {name: shown[name] for name in ("note", "error", "artifact") if shown[name]}
    return output.fields({name: value for name, value in told.items() if (name, value) != ("target", NO_TARGET)})


def _plan(job: Job, firing: Firing, cloud: Cloud, args: argparse.Namespace) -> int:
    now = cloud.clock.now()
    tick = RunContext(
        job, firing, readonly_cloud.only_reading(cloud), run_id(now), now, Log(to_stderr, cloud.clock), dry=True
    )
    if job.applicable:
        return dry_run.call(job, tick, cloud, args)
    lines = job.plan(tick)
    if args.json:
        output.document({"job": job.name, "tick": firing.position, "target": firing.target, "dry": True, "plan": lines})
    else:
        print("\n".join(lines or ["nothing to do"]))
    return Exit.DONE
