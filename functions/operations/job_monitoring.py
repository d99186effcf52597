"""Alerts on failing jobs.

They are sent from here and not by the failing run, whose process may have been interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from functions.operations import _alert_channels, _health
from functions.operations._alerts import Alerts
from functions.operations._streak_alerts import FAILING, RECOVERED, Subject
from shared import clock
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

STREAK = settings.count("JOB_MONITORING_STREAK", 3, "Failures in a row of a job or a host before operators are alerted")
# Where the alerts of a kind are counted.
KINDS = {FAILING: "failing", RECOVERED: "recovered"}
# Effects named in one alert.
NAMED = 5


class JobMonitoring(Job):
    """Alert when jobs or hosts fail or recover; write the health report.

    One alert per streak of failures, and one when it has ended, also if both happened since the last run. The report is
    written to S3 by the first run of each hour and by each run that sends an alert.
    """

    schedule = every(minutes=5, offset=4)
    timeout = 60
    # It alerts on the failures of all jobs; an alarm watches for its own.
    silent_after = 15 * 60
    retry = retry_policies.MAINTENANCE
    effects = days(30)
    idempotency = keyed(
        "each alert is an effect of its streak and channel; `alerted` is set only over what was read; a report has the "
        "id of its run"
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
            for subject in _subjects(run):
                items.append((subject.job, subject.item))
                found = subject.alerts(run.setting(STREAK.name))
                for alert in found.alerts:
                    alerts.send(alert)
                    counts[KINDS[alert.kind]] += 1
                subject.mark(found)
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
        found = (subject.alerts(run.setting(STREAK.name)) for subject in _subjects(run))
        return [f"alert {names}: {alert.subject}" for each in found for alert in each.alerts]

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        if effect.key.endswith("#webhook"):
            # The receiver deduplicates by the webhook-id.
            return NotDone()
        return Unknown("ask the recipients whether the alert of this key arrived")


def _subjects(run: RunContext) -> Iterator[Subject]:
    entries = manifest.load()
    for job, item in status_view.items(run.cloud, entries):
        yield Subject(run.cloud, job, entries[job], item)


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
