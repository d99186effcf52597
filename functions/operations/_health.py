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
from shared.ledger.daily import Folds
from shared.ledger.ledger import Verdict
from shared.run import status_view
from shared.run.context import Tick

BACK = timedelta(hours=24)
GOOD = (Verdict.RAN, Verdict.LATE)
BAD = (Verdict.FAILED, Verdict.REFUSED, Verdict.LOST, Verdict.MISSED)
Seen = Iterable[tuple[str, Mapping[str, Any]]]


def due(tick: Tick, changed: bool) -> bool:
    """By the first run of an hour, by one that has something to tell, and by hand; so an idle minute costs nothing."""
    if changed or tick.firing.manual or tick.claim is None:
        return True
    before = tick.claim.before
    hour = clock.iso(tick.started)[:13]
    # A run that failed may not have come as far as its report.
    return not str(before.get("at", "")).startswith(hour) or before.get("outcome") != Done.word


def report(tick: Tick, seen: Seen) -> dict[str, Any]:
    """The record of the artifact. seen: every claim and status item, with the name of its job.

    A query for each job that has ticks; what the reconciler has not folded yet, the last hour or so, is in the next
    report.
    """
    jobs: dict[str, dict[str, Any]] = {}
    bad: list[str] = []
    for name, entry in manifest.load().items():
        jobs[name] = {"last": None, "hosts": {}} | ({} if entry["queue"] else _ticks(tick, name))
    for name, item in seen:
        view = status_view.view(item)
        if item["sk"] == NO_TARGET:
            jobs[name]["last"] = view if "outcome" in view or "holder" in item else None
        else:
            jobs[name]["hosts"][item["sk"]] = view
        if not view.get("ok", True):
            bad.append(name if item["sk"] == NO_TARGET else f"{name} {item['sk']}")
    ms = round((tick.cloud.clock.now() - tick.started).total_seconds() * 1000)
    return {"kind": "health", "ok": not bad, "status": "bad" if bad else "ok", "ms": ms, "bad": bad, "jobs": jobs}


def _ticks(tick: Tick, job: str) -> dict[str, Any]:
    """How many ticks ended how, and how many of those that were to work did, in percent; None where none was."""
    since = tick.started - BACK
    told = Folds(tick.cloud, job).read(since, tick.started).items()
    counted = Counter(account.verdict for at, account in told if at >= since)
    good, bad = (sum(counted[verdict] for verdict in verdicts) for verdicts in (GOOD, BAD))
    success = round(100 * good / (good + bad), 1) if good + bad else None
    return {"ticks": {str(verdict): count for verdict, count in sorted(counted.items())}, "success": success}
