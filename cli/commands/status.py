"""Show the status of each job that has run, failing jobs first."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

from cli import declared_jobs, options, output
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_declared
from cli.unreachable import read_or_report
from shared import redaction
from shared.admin import job_board
from shared.admin.job_state import FAILING, FINE, KINDS, JobState
from shared.aws.cloud import Cloud
from shared.job.manifest import Entry
from shared.observability import mutes
from shared.text.human import counted

EXAMPLES = (
    "status",
    "status pricing",
    "status --bad --group sites",
    "status --tenant org_1",
    "status --watch --aws --stage prod",
    "status --json --aws --stage prod",
)
# Seconds between two reads of --watch.
POLL = 5.0
COLUMNS = ["job", "state", "last run", "last good", "targets", "note"]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", help="only this job (default: all)")
    parser.add_argument("--bad", action="store_true", help="only jobs whose last run was not good")
    parser.add_argument("--group", metavar="G", help="only the jobs of this group (default: all)")
    parser.add_argument(
        "--tenant", metavar="ORG", help="only jobs with failed messages or a pause of this organization (default: all)"
    )
    parser.add_argument(
        "--watch", action="store_true", help="go on with a line for each job whose state changes, until Ctrl-C"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, by status key")
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    if args.json and args.watch:
        raise CommandError(Exit.WRONG_USE, "--json prints one document and --watch never ends; use one of them")
    declared_jobs.require_group(args.group)
    named = {find_declared(args.job).name} if args.job else None
    entries = {
        name: entry
        for name, entry in declared_jobs.entries().items()
        if (named is None or name in named) and args.group in (None, entry["group"])
    }
    with options.open_cloud(args, reading=True) as cloud:
        # A document has the statuses alone.
        found = _read(cloud, entries, args.tenant, muted=not args.json)
        shown = [state for state in found if state.kind == FAILING or not args.bad]
        if args.json:
            views = ((state, state.views()) for state in shown)
            output.document(
                {key: view for state, each in views for key, view in each.items() if not args.bad or _is_bad(view)}
            )
            return Exit.DONE
        if rows := [_row(state) for state in shown if state.item or state.targets or state.tenant_errors]:
            output.table(COLUMNS, rows, spare=["last good"])
        print(_sums(found), flush=True)
        if args.watch:
            # Ctrl-C is the normal end, not a failure.
            with suppress(KeyboardInterrupt):
                _watch(cloud, partial(_read, cloud, entries, args.tenant, muted=True), found, args.bad)
    return Exit.DONE


def _read(cloud: Cloud, entries: Mapping[str, Entry], tenant: str | None, *, muted: bool) -> list[JobState]:
    found = job_board.read_with_targets(cloud, entries)
    if muted:
        found = job_board.with_mutes(found, mutes.read(cloud))
    return job_board.of_tenant(cloud, found, tenant) if tenant else found


def _is_bad(view: Mapping[str, Any]) -> bool:
    return not view.get("ok", True)


def _sums(found: Iterable[JobState]) -> str:
    """Count the jobs by kind: `25 jobs: 3 failing, 22 fine`."""
    kinds = Counter(state.kind for state in found)
    parts = (f"{kinds[kind]} {kind}" for kind in KINDS if kinds[kind])
    return ": ".join(filter(None, (counted(kinds.total(), "job"), ", ".join(parts))))


def _watch(cloud: Cloud, read: Callable[[], list[JobState]], found: list[JobState], bad: bool) -> NoReturn:
    """Print a line for each change.

    bad: only of jobs that fail, or that have recovered.
    """
    before = {state.name: state for state in found}
    while True:
        time.sleep(POLL)
        for state in read_or_report(read, "the status"):
            last = before.get(state.name)
            before[state.name] = state
            failed = FAILING in (state.kind, last.kind if last else "")
            if (last is None or _watched(last) != _watched(state)) and (not bad or failed):
                facts = filter(None, (_targets(state), redaction.text("; ".join(state.notes()))))
                print(f"{cloud.clock.now():%H:%M:%S}  {state.name}: {'; '.join((_word(state), *facts))}", flush=True)


def _watched(state: JobState) -> tuple[Any, ...]:
    """The state without the times and errors that each run changes."""
    held = [(view.get("paused"), view.get("pauses")) for view in state.views().values()]
    return state.kind, _targets(state), len(state.tenant_errors), held, state.overdue, len(state.mutes)


def _word(state: JobState) -> str:
    """The word of the state, or the outcome of a good run."""
    return str(state.status.get("outcome", "done")) if state.kind == FINE else state.word


def _targets(state: JobState) -> str:
    """`3 of 25 bad`, `25`, or empty without targets."""
    bad = len(state.bad_targets)
    return f"{bad} of {len(state.targets)} bad" if bad else str(len(state.targets) or "")


def _row(state: JobState) -> list[Any]:
    return [
        state.name,
        output.verdict(_word(state), state.kind != FAILING),
        output.age(state.last, state.now),
        output.age(state.last_good, state.now),
        _targets(state),
        "; ".join(state.notes()),
    ]
