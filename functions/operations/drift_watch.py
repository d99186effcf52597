"""Alert on differences between what is deployed and what is declared."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from shared.admin import stage_drift
from shared.admin.stage_drift import BLOCKED, CHANGED, UNDECLARED, Difference
from shared.advised_commands import advised
from shared.job import (
    Confirmed,
    Done,
    Effect,
    Job,
    NotDone,
    Outcome,
    RunContext,
    Unknown,
    days,
    hourly,
    keyed,
    manifest,
    permissions,
    retry_policies,
)
from shared.observability import alerts

# Alert by category of differences.
ALERTS = {UNDECLARED: "UNDECLARED_RESOURCES", BLOCKED: "STARTS_BLOCKED", CHANGED: "ROLES_CHANGED"}
# Age of the last deployment before which its stacks may still differ from each other.
SETTLED = timedelta(minutes=20)
# Hour (UTC) of the run that compares roles, which takes four calls for each of them.
ROLES_AT = 4
# Differences that one alert lists.
LISTED = 10


class DriftWatch(Job):
    """Alert when something deployed is undeclared, disabled or changed by hand.

    One alert for each set of differences, and again each week that it lasts. A run over 45 jobs is about 55 calls of
    AWS, and once a day 250 more for the policies of roles; they are free.
    """

    schedule = hourly(minute=23)
    timeout = 120
    retry = retry_policies.MAINTENANCE
    effects = days(30)
    idempotency = keyed("each alert is an effect of its differences and week")
    permissions = (*permissions.read_deployment(), *permissions.alerting())
    needs_manifest = True

    def work(self, run: RunContext) -> Outcome:
        if stage_drift.in_deployment(run.cloud, run.cloud.clock.now() - SETTLED):
            return Done(note="not compared: a deployment is in progress, or ended a few minutes ago")
        found = _differences(run, roles=run.at.hour == ROLES_AT)
        for category, kind in ALERTS.items():
            of_kind = [each for each in found if each.category == category]
            if of_kind:
                _alert(run, kind, of_kind)
        return Done({category: sum(each.category == category for each in found) for category in ALERTS})

    def plan(self, run: RunContext) -> list[str]:
        found = _differences(run, roles=True)
        return [f"alert: {each.kind} {each.name}: {each.problem}; {each.fix}" for each in found]

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        # An alert that arrives twice does no harm.
        return NotDone()


def _differences(run: RunContext, *, roles: bool) -> list[Difference]:
    return stage_drift.find(run.cloud, manifest.load(), stage_drift.endpoints(run.cloud), roles=roles)


def _alert(run: RunContext, kind: str, found: list[Difference]) -> None:
    names = sorted(f"{each.kind} {each.name}: {each.problem}" for each in found)
    more = len(names) - LISTED
    fields = {"differences": [*names[:LISTED], *([f"and {more} more"] if more > 0 else [])]}
    commands = [advised(run.cloud.names.stage, "drift"), *dict.fromkeys(each.fix for each in found[:LISTED])]
    year, week, _ = run.at.isocalendar()
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]
    alert_id = f"drift#{kind}#{year}-{week:02}#{digest}"
    about = found[0].name if len(found) == 1 else f"{len(found)} resources"
    run.effect(alert_id, lambda _: alerts.send(run.cloud, kind, about, fields, commands, alert_id))
