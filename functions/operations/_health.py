"""The health report: how every job is, by its status keys and by what became of its ticks in the last 24 hours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from shared import clock
from shared.aws.names import NO_TARGET
from shared.job import manifest
from shared.job.outcome import Done
from shared.ledger.daily import DailyLedger
from shared.ledger.ledger import TickOutcome
from shared.run import status_view
from shared.run.context import RunContext

BACK = timedelta(hours=24)
GOOD = (TickOutcome.RAN, TickOutcome.LATE)
BAD = (TickOutcome.FAILED, TickOutcome.REFUSED, TickOutcome.LOST, TickOutcome.MISSED)
Seen = Iterable[tuple[str, Mapping[str, Any]]]


def due(run: RunContext, changed: bool) -> bool:
    """By the first run of an hour, by one that has something to tell, and by hand; so an idle minute costs nothing."""
    if changed or run.firing.manual or run.claim is None:
        return True
    before = run.claim.before
    hour = clock.iso(run.started)[:13]
    # A run that failed may not have come as far as its report.
    return not str(before.get("at", "")).startswith(hour) or before.get("outcome") != Done.word


def report(run: RunContext, seen: Seen) -> dict[str, Any]:
    """The record of the artifact. seen: every claim and status item, with the name of its job.

    A query for each job that has ticks; what the reconciler has not folded yet, the last hour or so, is in the next
    report.
    """
    jobs: dict[str, dict[str, Any]] = {}
    bad: list[str] = []
    for name, entry in manifest.load().items():
        jobs[name] = {"last": None, "hosts": {}} | ({} if entry["queue"] else _ticks(run, name))
    for name, item in seen:
        view = status_view.view(item)
        if item["sk"] == NO_TARGET:
            jobs[name]["last"] = view if "outcome" in view or "holder" in item else None
        else:
            jobs[name]["hosts"][item["sk"]] = view
        if not view.get("ok", True):
            bad.append(name if item["sk"] == NO_TARGET else f"{name} {item['sk']}")
    ms = round((run.cloud.clock.now() - run.started).total_seconds() * 1000)
    return {"kind": "health", "ok": not bad, "status": "bad" if bad else "ok", "ms": ms, "bad": bad, "jobs": jobs}


def _ticks(run: RunContext, job: str) -> dict[str, Any]:
    """How many ticks ended how, and how many of those that were to work did, in percent; None where none was."""
    since = run.started - BACK
    told = DailyLedger(run.cloud, job).read(since, run.started).items()
    counted = Counter(account.outcome for at, account in told if at >= since)
    good, bad = (sum(counted[verdict] for verdict in verdicts) for verdicts in (GOOD, BAD))
    success = round(100 * good / (good + bad), 1) if good + bad else None
    return {"ticks": {str(verdict): count for verdict, count in sorted(counted.items())}, "success": success}
