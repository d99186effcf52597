"""The health report: status of every job, and its recent ticks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from shared import clock
from shared.job import NO_TARGET, Done, RunContext, manifest
from shared.ledger.daily import DailyLedger
from shared.ledger.ledger import TickOutcome
from shared.run import status_view

PERIOD = timedelta(hours=24)
GOOD = (TickOutcome.RAN, TickOutcome.LATE)
BAD = (TickOutcome.FAILED, TickOutcome.REFUSED, TickOutcome.LOST, TickOutcome.MISSED)
# Claim and status items, each with the name of its job.
Items = Iterable[tuple[str, Mapping[str, Any]]]


def due(run: RunContext, changed: bool) -> bool:
    """Whether to write a report in this run.

    It is written by the first run of an hour, after a change, and by manual runs.
    """
    if changed or run.firing.manual or run.claim is None:
        return True
    before = run.claim.before
    hour = clock.iso(run.started)[:13]
    # A run that failed may not have written its report.
    return not str(before.get("at", "")).startswith(hour) or before.get("outcome") != Done.word


def report(run: RunContext, items: Items) -> dict[str, Any]:
    """Return the record of the artifact.

    One query per job that has ticks. The last hour or so, which the daily ledger does not have yet, is in the next
    report.
    """
    jobs: dict[str, dict[str, Any]] = {}
    bad: list[str] = []
    for name, entry in manifest.load().items():
        jobs[name] = {"last": None, "hosts": {}} | ({} if entry["queue"] else _ticks(run, name))
    for name, item in items:
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
    """Count the ticks by outcome.

    success is the percentage of good ones, None without good and bad ones.
    """
    since = run.started - PERIOD
    records = DailyLedger(run.cloud, job).read(since, run.started).items()
    counted = Counter(record.outcome for at, record in records if at >= since)
    good, bad = (sum(counted[outcome] for outcome in outcomes) for outcomes in (GOOD, BAD))
    success = round(100 * good / (good + bad), 1) if good + bad else None
    return {"ticks": {str(outcome): count for outcome, count in sorted(counted.items())}, "success": success}
