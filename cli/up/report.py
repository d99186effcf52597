"""Report of the first runs of `up`.

A row for each host, the retries of the crash, and commands to continue with.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from cli import operator_identity, output
from cli.commands import console
from cli.job_arguments import next_tick
from cli.paths import HOME
from cli.up.first_run import CRASH, FirstRun
from local.cloud import LocalCloud
from local.demo.site import BROKEN, DemoSite
from shared import clock
from shared.advised_commands import advised
from shared.aws.names import LOCAL
from shared.http.internal_token import HEADER
from shared.job.definition import Job


def show(first_run: FirstRun, demo: DemoSite | None, local: LocalCloud) -> None:
    columns = ["job", "host", "outcome", "ms", "next (UTC)", "what"]
    output.table(columns, _rows(first_run), spare=["next (UTC)"])
    print()
    for line in _explanation(first_run, demo):
        print(line)
    if first_run.dead_letter:
        print(f"\nHow {CRASH} was retried and dead-lettered:")
        output.table(["try", "started (UTC)", "after", "outcome", "error"], _attempts(first_run))
        letter = first_run.dead_letter
        print(f"dead letter {letter['id'][:8]}: {letter['reason']}, its payload is {letter['payload']}")
    print()
    for line in _next_commands(first_run, local):
        print(line)


def short(path: Path) -> str:
    """The path relative to the working directory, if it is below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _rows(first_run: FirstRun) -> Iterator[list[Any]]:
    now, statuses = first_run.cloud.clock.now(), first_run.statuses()
    for job in first_run.checks:
        own = {key: status for key, status in statuses.items() if key.startswith(f"{job.key}:last")}
        hosts = {key: status for key, status in own.items() if key != f"{job.key}:last"}
        for key, status in sorted((hosts or own).items()):
            host = key.removeprefix(f"{job.key}:last").removeprefix(":")
            yield _row(job, host, _site(status), status, now)
        # A run that was refused by a gate writes no status key.
        for row in [] if own else first_run.rows.get(job.name, [])[-1:]:
            yield _row(job, "", output.verdict(row["outcome"], row["ok"]), row, now)
    if CRASH in first_run.rows:
        last = first_run.rows[CRASH][-1]
        outcome = ("dead letter" if first_run.dead_letter else last["outcome"], "red")
        yield [CRASH, "", outcome, last.get("ms"), "by hand", last.get("note", "")]


def _row(job: Job, host: str, verdict: tuple[str, str], result: dict[str, Any], now: datetime) -> list[Any]:
    tick = next_tick(job, now)
    upcoming = output.time_until(tick, now) if tick else ""
    return [job.name, host or "all", verdict, result.get("ms"), upcoming, result.get("note", "")]


def _site(status: dict[str, Any]) -> tuple[str, str]:
    """The verdict of one site.

    `ok` instead of `done`, which describes the job.
    """
    word, style = output.verdict(status["outcome"], status["ok"])
    return "ok" if word == "done" else word, style


def _explanation(first_run: FirstRun, demo: DemoSite | None) -> Iterator[str]:
    if demo:
        broken = next(host for host in demo.hosts if demo.explain(host))
        yield f"Red is intended: {broken} is a demo site with faults, which shows what findings look like."
        yield from (f"  {path} {fault}" for path, fault in BROKEN.items())
    else:
        yield "These are your sites, from BASE_URLS; a bad site is a finding, not a failure of the job."
    if first_run.dead_letter:
        yield f"{CRASH} always crashes: it shows how a failing job is retried and dead-lettered."


def _attempts(first_run: FirstRun) -> Iterator[list[Any]]:
    """Each attempt with its delay, and the minimum of the retry policy."""
    policy, before = first_run.jobs[CRASH].retry, None
    for row in sorted(first_run.rows[CRASH], key=lambda row: str(row["sk"])):
        started = clock.parse(row["started"])
        minimum = policy.delay(row["attempt"] - 1)
        after = f"{(started - before).total_seconds():.1f} s (at least {minimum} s)" if before else ""
        yield [row["attempt"], f"{started:%H:%M:%S}", after, (row["outcome"], "red"), row.get("note")]
        before = started


def _next_commands(first_run: FirstRun, local: LocalCloud) -> Iterator[str]:
    bucket = local.folder / "state" / "objects" / local.engine.account / first_run.cloud.names.bucket
    yield f"Artifacts, a folder for each job and host:  {short(bucket)}"
    yield f"Logs of the functions:                      {short(local.folder / 'logs')}"
    if local.firing:
        link = console.mint(first_run.cloud, local.function_urls["console"], operator_identity.local_login())
        yield f"Console, works once, within two minutes:    {link}"
        yield f"  another one:                              {advised(LOCAL, 'console')}"
        url = local.function_urls["trigger"]
        yield "Break-glass URL, from another terminal:"
        header = f'"{HEADER}: $({advised(LOCAL, "token")})"'
        yield f"  curl -H {header} {url}/__cron/run/pricing"
        yield f"  curl -H {header} {url}/__cron/run/status"
        yield f"Other commands: {advised(LOCAL, 'runs', 'pricing')}  (or list, dead list, pricing --dry-run)"
    else:
        runs = advised(LOCAL, "runs", CRASH)
        yield f"History of this run:  {HOME}={short(local.folder)} {runs}  (or dead list, status)"
        yield "`make up` does the same and then fires jobs on schedule."
