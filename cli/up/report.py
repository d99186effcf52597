"""What a tour has found, on paper: a row for each host, the crash's way to the dead letters, and where to look on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from cli import output
from cli.commands.list import upcoming
from cli.up.first_run import CRASH, Tour
from cli.up.local_session import HOME
from local.cloud import LocalCloud
from local.demo.site import BROKEN, DemoSite
from shared import clock
from shared.advised_commands import advised
from shared.aws.names import LOCAL
from shared.http.internal_token import HEADER
from shared.job.definition import Job


def show(tour: Tour, demo: DemoSite | None, started: LocalCloud) -> None:
    columns = ["job", "host", "outcome", "ms", "next (UTC)", "what"]
    output.table(columns, _rows(tour), spare=["next (UTC)"])
    print()
    for line in _explained(tour, demo):
        print(line)
    if tour.letter:
        print(f"\nHow {CRASH} came to its dead letter:")
        output.table(["try", "started (UTC)", "after", "outcome", "error"], _attempts(tour))
        print(f"dead letter {tour.letter['id'][:8]}: {tour.letter['reason']}, kept in {tour.letter['payload']}")
    print()
    for line in _onward(tour, started):
        print(line)


def short(path: Path) -> str:
    """As it is typed from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _rows(tour: Tour) -> Iterator[list[Any]]:
    now = tour.cloud.clock.now()
    shown = tour.board()
    for job in tour.checks:
        own = {key: status for key, status in shown.items() if key.startswith(f"{job.key}:last")}
        hosts = {key: status for key, status in own.items() if key != f"{job.key}:last"}
        for key, status in sorted((hosts or own).items()):
            host = key.removeprefix(f"{job.key}:last").removeprefix(":")
            yield [
                job.name,
                host or "all",
                _site(status),
                status.get("ms"),
                _next(job, now),
                status.get("note", ""),
            ]
        for row in [] if own else tour.rows.get(job.name, [])[-1:]:
            yield [
                job.name,
                "all",
                output.verdict(row["outcome"], row["ok"]),
                row.get("ms"),
                _next(job, now),
                row.get("note", ""),
            ]
    if CRASH in tour.rows:
        last = tour.rows[CRASH][-1]
        outcome = ("dead letter" if tour.letter else last["outcome"], "red")
        yield [CRASH, "", outcome, last.get("ms"), "by hand", last.get("note", "")]


def _site(status: dict[str, Any]) -> tuple[str, str]:
    """Of a site, "done" would say that the job was."""
    word, style = output.verdict(status["outcome"], status["ok"])
    return "ok" if word == "done" else word, style


def _next(job: Job, now: datetime) -> str:
    tick = upcoming(job, now)
    return output.until(tick, now) if tick else ""


def _explained(tour: Tour, demo: DemoSite | None) -> Iterator[str]:
    if demo:
        broken = next(host for host in demo.hosts if demo.explain(host))
        yield f"Red is on purpose: {broken} is a demo site that is broken, so that you see what that looks like."
        yield from (f"  {path} {fault}" for path, fault in BROKEN.items())
    else:
        yield "These are your sites, from BASE_URLS; a site that is bad is a finding, not a failure of its job."
    if tour.letter:
        yield f"{CRASH} is there to crash: it shows how a failing job is retried and given up."


def _attempts(tour: Tour) -> Iterator[list[Any]]:
    """Each with the time since the one before, and the least that its policy has there."""
    policy, before = tour.jobs[CRASH].retry, None
    for row in sorted(tour.rows[CRASH], key=lambda row: str(row["sk"])):
        started = clock.parse(row["started"])
        least = policy.delay(row["attempt"] - 1)
        after = f"{(started - before).total_seconds():.1f} s (at least {least} s)" if before else ""
        yield [row["attempt"], f"{started:%H:%M:%S}", after, (row["outcome"], "red"), row.get("note")]
        before = started


def _onward(tour: Tour, started: LocalCloud) -> Iterator[str]:
    bucket = started.folder / "state" / "objects" / started.engine.account / tour.cloud.names.bucket
    yield f"Artifacts, a folder for each job and host:  {short(bucket)}"
    yield f"Logs of the functions:                      {short(started.folder / 'logs')}"
    if started.firing:
        door = started.doors["trigger"]
        yield "Break glass, from another terminal:"
        header = f'"{HEADER}: $({advised(LOCAL, "token")})"'
        yield f"  curl -H {header} {door}/__cron/run/pricing"
        yield f"  curl -H {header} {door}/__cron/run/status"
        yield f"More, from there: {advised(LOCAL, 'runs', 'pricing')}  (or list, dead list, pricing --dry-run)"
    else:
        runs = advised(LOCAL, "runs", CRASH)
        yield f"More of this run:  {HOME}={short(started.folder)} {runs}  (or dead list, status)"
        yield "`make up` does the same and stays, firing on schedule."
