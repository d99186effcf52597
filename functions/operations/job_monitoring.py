"""Alerts on failing jobs.

They are sent from here and not by the failing run, whose process may have been interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from functions.operations import _alert_channels, _health
from functions.operations._alerts import Alerts
from shared import clock
from shared.advised_commands import advised
from shared.job import (
    NO_TARGET,
    Confirmed,
    Done,
    Effect,
    Job,
    NotDone,
    Outcome,
    RunContext,
    Unknown,
    days,
    every,
    keyed,
    manifest,
    read_rows,
    retry_policies,
    settings,
    tables,
    write_rows,
)
from shared.observability.alerts import Alert
from shared.run import status_view
from shared.store import keys, table
from shared.store.keys import RowKey

STREAK = settings.count("JOB_MONITORING_STREAK", 3, "Failures in a row of a job or a host before operators are alerted")
NEVER = "never"
# Effects named in one alert.
NAMED = 5


class JobMonitoring(Job):
    """Alert when jobs or hosts fail or recover; write the health report.

    One alert per streak of failures, and one when it has ended. The report is written to S3 by the first run of each
    hour and by each run that sends an alert.
    """

    schedule = every(minutes=5, offset=4)
    timeout = 60
    # It alerts on the failures of all jobs; an alarm watches for its own.
    silent_after = 15 * 60
    retry = retry_policies.MAINTENANCE
    effects = days(30)
    idempotency = keyed(
        "each alert is an effect of its streak and channel; `told` is set only over what was read; a report has the id "
        "of its run"
    )
    permissions = (read_rows(tables.STATE.name, "*"), write_rows(tables.STATE.name, "*"), *_alert_channels.GRANTS)
    settings = (STREAK, *_alert_channels.SETTINGS)
    needs_manifest = True

    @classmethod
    def check_settings(cls, environment: Mapping[str, str]) -> None:
        """Read every setting but those of channels.

        An invalid one fails its own channel, and the others get the alert.
        """
        for each in cls.all_settings():
            if each not in (*_alert_channels.SETTINGS, cls.heartbeat(), cls.run_by()):
                each.read(environment)

    def work(self, run: RunContext) -> Outcome:
        alerts = Alerts(run)
        counts = {"failing": 0, "recovered": 0, "uncertain": 0}
        items = []
        try:
            alerts.send_owed()
            for job, item in status_view.items(run.cloud, manifest.load()):
                items.append((job, item))
                change = self._change(run, job, item)
                if change is not None:
                    streak, alert = change
                    alerts.send(alert)
                    _mark(run, item, streak)
                    counts["failing" if streak else "recovered"] += 1
            for alert in _uncertain_effects(run):
                alerts.send(alert)
                counts["uncertain"] += 1
        finally:
            alerts.close()
        if _health.due(run, any(counts.values())):
            run.write_artifact(_health.report(run, items))
        # A failing channel is a failure of this job: the other channels alert on it after a streak.
        return Done(counts, ok=not alerts.failed, note=alerts.note)

    def plan(self, run: RunContext) -> list[str]:
        names = ", ".join(channel.label for channel in _alert_channels.configured(run)) or "no channel"
        changes = (self._change(run, job, item) for job, item in status_view.items(run.cloud, manifest.load()))
        return [f"alert {names}: {alert.subject}" for _, alert in filter(None, changes)]

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        if effect.key.endswith("#webhook"):
            # The receiver deduplicates by the webhook-id.
            return NotDone()
        return Unknown("ask the recipients whether the alert of this key arrived")

    def _change(self, run: RunContext, job: str, item: Mapping[str, Any]) -> tuple[str, Alert] | None:
        """Return the start of the streak and the alert, if any.

        The start is empty if the streak has ended; None if nothing has changed.
        """
        streak, at = _streak(item), clock.iso(run.cloud.clock.now())
        subject, fields, commands = _subject(job, item), _fields(job, item), _commands(run, job, item)
        if streak >= run.setting(STREAK.name) and "told" not in item:
            # The last good run identifies the streak, also in later runs.
            begun = str(fields["lastGood"])
            return begun, Alert("JOB_FAILING", subject, fields, commands, f"failing#{subject}#{begun}", at)
        if streak == 0 and "told" in item:
            return "", Alert("JOB_RECOVERED", subject, fields, commands, f"recovered#{subject}#{item['told']}", at)
        return None


def _mark(run: RunContext, item: Mapping[str, Any], streak: str) -> None:
    # After the alert: the other order might never send it, and in this one a repeat deduplicates it.
    table.update_if(
        run.cloud,
        tables.STATE,
        RowKey(item["pk"], item["sk"]),
        "SET told = :told" if streak else "REMOVE told",
        {":told": streak or item["told"]},
        "attribute_not_exists(told)" if streak else "told = :told",
    )


def _uncertain_effects(run: RunContext) -> Iterator[Alert]:
    """Yield one alert a day for each job with uncertain effects.

    Those of this job show in its own status.
    """
    now = run.cloud.clock.now()
    for job, entry in manifest.load().items():
        if not entry["effects"] or job == run.job.name:
            continue
        values = {":pk": keys.uncertain_effects(job)}
        effects = [*islice(table.query(run.cloud, tables.STATE, "pk = :pk", values, ConsistentRead=True), NAMED + 1)]
        if effects:
            count = f"more than {NAMED}" if len(effects) > NAMED else len(effects)
            fields = {"job": job, "effects": count, "since": min(effect["since"] for effect in effects)}
            fields["keys"] = [effect["sk"] for effect in effects[:NAMED]]
            commands = [advised(run.cloud.names.stage, "effects", job)]
            yield Alert("EFFECTS_UNCERTAIN", job, fields, commands, f"uncertain#{job}#{now:%Y-%m-%d}", clock.iso(now))


def _streak(item: Mapping[str, Any]) -> int:
    """Return how often in a row a host or job failed."""
    streak: int = item["streak"] if "streak" in item else (item.get("status") or {}).get("streak", 0)
    return streak


def _subject(job: str, item: Mapping[str, Any]) -> str:
    return job if item["sk"] == NO_TARGET else f"{job} {item['sk']}"


def _fields(job: str, item: Mapping[str, Any]) -> dict[str, Any]:
    status = item.get("status") or {}
    return {
        "job": job,
        "entityId": item["sk"],
        "streak": _streak(item),
        "lastError": status.get("note", ""),
        "firstError": item.get("firstError") or status.get("firstError") or status.get("note", ""),
        "lastGood": item.get("lastGood") or status.get("lastGood") or NEVER,
        "lastRun": status.get("at", ""),
    }


def _commands(run: RunContext, job: str, item: Mapping[str, Any]) -> list[str]:
    stage = run.cloud.names.stage
    target = [] if item["sk"] == NO_TARGET else ["--target", item["sk"]]
    return [advised(stage, "why", job), advised(stage, "runs", job), advised(stage, job, *target)]
