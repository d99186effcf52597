"""List the runs of a job, or what failed in all jobs.

Those of a job: runs in progress, then its history, newest first. Over all jobs: runs that were not good, by outcome,
organization, entity or age.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice
from typing import Any

from cli import options, output
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_declared
from cli.period import parse_since
from cli.run_rows import FAILURES_PERIOD, NOT_GOOD, OLDEST, VERDICTS, RunFilter, matching, running
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET
from shared.job import duration, retention
from shared.job.declared_job import DeclaredJob
from shared.store import failure_index

EXAMPLES = (
    "runs pricing",
    "runs pricing --limit 100 --json --aws --stage prod",
    "runs --tenant org_7 --since 2d",
    "runs --outcome lost --outcome failed",
    "runs pricing --search 'no price' --since 7d",
)
LIMIT = 20


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "job", nargs="?", help="name of the job (default, with one of the filters: failed runs of all jobs)"
    )
    parser.add_argument(
        "--outcome",
        metavar="WORD",
        action="append",
        choices=VERDICTS,
        default=[],
        help=f"only with this outcome, may be repeated: {', '.join(VERDICTS)} (default: any)",
    )
    parser.add_argument("--tenant", metavar="ORG", help="only failed messages of this organization (default: all)")
    parser.add_argument("--entity", metavar="ID", help="only about this target or entity (default: all)")
    parser.add_argument(
        "--since",
        metavar="DURATION",
        help="only started since: 30m, 2h, 3d (default: all that are retained; "
        f"of all jobs {duration.text(FAILURES_PERIOD)})",
    )
    parser.add_argument(
        "--search",
        metavar="TEXT",
        help="only with this text in the error, id, target, entity or organization, in any case (default: all)",
    )
    parser.add_argument("--limit", type=int, metavar="N", default=LIMIT, help="how many (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    job = find_declared(args.job) if args.job is not None else None
    if args.limit < 1:
        raise CommandError(Exit.WRONG_USE, f"--limit {args.limit} shows nothing; it must be at least 1")
    _check(args, job)
    with options.open_cloud(args, reading=True) as cloud:
        wanted = RunFilter(
            job.name if job else "",
            tuple(args.outcome),
            args.tenant or "",
            args.entity or "",
            parse_since("--since", args.since, cloud.clock.now()) if args.since is not None else None,
            args.search or "",
        )
        shown = [*_running(cloud, job, wanted), *islice(matching(cloud, job, wanted), args.limit)]
        others = _others(cloud, wanted) if args.tenant else []
    if args.json:
        output.document(shown)
    elif shown:
        columns = ["started (UTC)", "job", "tenant", "target", "tick", "try", "outcome", "ms", "what"]
        rows = [_row(run, with_job=job is None) for run in shown]
        output.table(columns, rows, spare=["ms", "tick", "try"] if job is None else [], optional=["job", "tenant"])
    elif job and not wanted:
        output.notice(f"no run of {job.name} is on record; rows are retained for {_retention(job)}")
    else:
        output.notice("no run on record matches; failed ones are found from a second after their end")
    if any(kind == failure_index.DEAD_LETTER for kind, _ in others):
        listing = options.advised(args, "dead", "list", "--tenant", args.tenant)
        output.notice(f"{args.tenant} has dead letters: {listing}")
    for name in (name for kind, name in others if kind == failure_index.UNCERTAIN):
        output.notice(f"{args.tenant} has effects with an unknown outcome: {options.advised(args, 'effects', name)}")
    return Exit.DONE


def _check(args: argparse.Namespace, job: DeclaredJob | None) -> None:
    """Raise CommandError for a filter that no index answers."""
    for option in ("tenant", "entity", "search"):
        if getattr(args, option) is not None and not getattr(args, option).strip():
            raise CommandError(Exit.WRONG_USE, f"--{option} is empty")
    good = [word for word in args.outcome if word not in NOT_GOOD]
    if args.tenant and good:
        raise CommandError(
            Exit.WRONG_USE,
            f"--outcome {good[0]}: only messages that failed name their organization in the history; leave it out",
        )
    if job:
        return
    if good:
        raise CommandError(
            Exit.WRONG_USE,
            f"--outcome {good[0]}: name the job; over all jobs only {', '.join(NOT_GOOD)} are listed",
        )
    if not (args.outcome or args.tenant or args.entity or args.since or args.search):
        raise CommandError(
            Exit.WRONG_USE,
            "name the job, or what to list of all jobs: --tenant, --entity, --outcome, --search or --since",
        )


def _running(cloud: Cloud, job: DeclaredJob | None, wanted: RunFilter) -> Iterator[dict[str, Any]]:
    """Runs in progress, which have no outcome and no organization yet."""
    if job is not None and not wanted.outcomes:
        yield from (row for row in running(cloud, job) if row in wanted)


def _others(cloud: Cloud, wanted: RunFilter) -> list[tuple[str, str]]:
    """Kinds and jobs of what else the organization has."""
    rows = failure_index.of_tenant(cloud, wanted.tenant, wanted.since or cloud.clock.now() - OLDEST)
    return sorted({(failure_index.kind(row), row["job"]) for row in rows if wanted.job in ("", row["job"])})


def _row(run: dict[str, Any], *, with_job: bool) -> list[Any]:
    target = run.get("entityId") or run.get("target", NO_TARGET)
    what = run.get("note") or ", ".join(f"{count} {name}" for name, count in run.get("counts", {}).items())
    if run.get("duplicates"):
        what = f"{what} ({run['duplicates']} duplicates)".strip()
    return [
        output.to_second(run.get("started") or ""),
        run["job"] if with_job else "",
        run.get("tenant"),
        "" if target == NO_TARGET else target,
        run.get("tick"),
        run.get("attempt"),
        output.verdict(run["outcome"], run.get("ok", True)),
        run.get("ms"),
        what,
    ]


def _retention(job: DeclaredJob) -> str:
    retained = retention.read(job.retention)
    return f"{output.span(retained.completed.age)}, those of failed runs for {output.span(retained.failed.age)}"
