"""Alerts come from here and not from the run that fails: that one may be dead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from functions.operations import _alert_channels, _health
from functions.operations._alerts import Alerts
from shared import clock
from shared.admin import effects
from shared.advised_commands import advised
from shared.aws import attributes
from shared.aws.names import NO_TARGET, STATE
from shared.aws.permissions import read_rows, write_rows
from shared.job import manifest, retry_policies, settings
from shared.job.definition import Job
from shared.job.duration import days
from shared.job.effect import Confirmed, Effect, NotDone, Unknown
from shared.job.idempotency import keyed
from shared.job.outcome import Done, Outcome
from shared.job.schedule import every
from shared.observability.alerts import Alert
from shared.run import status_view
from shared.run.context import RunContext

STREAK = settings.count("JOB_MONITORING_STREAK", 3, "Failures in a row of a job or a host before operators are told")
NEVER = "never"
NAMED = 5


class JobMonitoring(Job):
    """Tell operators once when a job or a host keeps failing, and once when it is well again; report on all.

    The report goes to S3 by the first run of each hour and by each that has something to tell.
    """

    schedule = every(minutes=5, offset=4)
    timeout = 60
    # It tells of everybody's failures; of its own silence an alarm does.
    silent_after = 15 * 60
    retry = retry_policies.MAINTENANCE
    effects = days(30)
    idempotency = keyed(
        "each alert is an effect of its streak and channel; told is set over what was read alone; a report bears the "
        "id of its run"
    )
    permissions = (read_rows(STATE, "*"), write_rows(STATE, "*"), *_alert_channels.GRANTS)
    settings = (STREAK, *_alert_channels.SETTINGS)
    needs_manifest = True

    def work(self, run: RunContext) -> Outcome:
        alerts = Alerts(run)
        counts = {"failing": 0, "recovered": 0, "uncertain": 0}
        seen = []
        try:
            alerts.pay()
            for job, item in status_view.items(run.cloud, manifest.load()):
                seen.append((job, item))
                found = self._change(run, job, item)
                if found is not None:
                    told, alert = found
                    alerts.tell(alert)
                    _mark(run, item, told)
                    counts["failing" if told else "recovered"] += 1
            for alert in _unknown(run):
                alerts.tell(alert)
                counts["uncertain"] += 1
        finally:
            alerts.close()
        if _health.due(run, any(counts.values())):
            run.write_artifact(_health.report(run, seen))
        # A channel that takes nothing is a verdict on us, and one in a row of such is told by the others.
        return Done(counts, ok=not alerts.failed, note=alerts.note)

    def plan(self, run: RunContext) -> list[str]:
        names = ", ".join(channel.name for channel in _alert_channels.chosen(run)) or "nobody"
        found = (self._change(run, job, item) for job, item in status_view.items(run.cloud, manifest.load()))
        return [f"tell {names}: {alert.subject}" for _, alert in filter(None, found)]

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        if effect.key.endswith("#webhook"):
            # Its receiver knows the webhook-id.
            return NotDone()
        return Unknown("did the alert of that key arrive? Nobody but its readers can tell")

    def _change(self, run: RunContext, job: str, item: Mapping[str, Any]) -> tuple[str, Alert] | None:
        """What is to be told of that item, if anything: the streak's name, empty where it is over, and the alert."""
        streak, at = _streak(item), clock.iso(run.cloud.clock.now())
        about, story, commands = _about(job, item), _story(job, item), _commands(run, job, item)
        if streak >= run.setting(STREAK.name) and "told" not in item:
            # A streak begins with the last good run: that names it, on however many runs it is looked at.
            begun = str(story["lastGood"])
            return begun, Alert("JOB_FAILING", about, story, commands, f"failing#{about}#{begun}", at)
        if streak == 0 and "told" in item:
            return "", Alert("JOB_RECOVERED", about, story, commands, f"recovered#{about}#{item['told']}", at)
        return None


def _mark(run: RunContext, item: Mapping[str, Any], told: str) -> None:
    # After the alert: the other order might never tell, and in this one a repeat finds that it was told.
    values = {":told": told or item["told"]}
    try:
        run.cloud.dynamodb.update_item(
            TableName=run.cloud.names.table(STATE),
            Key=attributes.row({"pk": item["pk"], "sk": item["sk"]}),
            UpdateExpression="SET told = :told" if told else "REMOVE told",
            ConditionExpression="attribute_not_exists(told)" if told else "told = :told",
            ExpressionAttributeValues=attributes.row(values),
        )
    except run.cloud.ConditionalCheckFailed:
        return


def _unknown(run: RunContext) -> Iterator[Alert]:
    """One alert a day for each job with effects that nobody knows of; ours are told by our own status."""
    now = run.cloud.clock.now()
    for job, entry in manifest.load().items():
        if not entry["effects"] or job == run.job.name:
            continue
        # A deployment without such jobs does not pay for its import at a cold start.

        found = [*islice(effects.uncertain_effects(run.cloud, job), NAMED + 1)]
        if found:
            count = f"more than {NAMED}" if len(found) > NAMED else len(found)
            story = {"job": job, "effects": count, "since": min(effect["since"] for effect in found)}
            story["keys"] = [effect["key"] for effect in found[:NAMED]]
            commands = [advised(run.cloud.names.stage, "effects", job)]
            yield Alert("EFFECTS_UNCERTAIN", job, story, commands, f"uncertain#{job}#{now:%Y-%m-%d}", clock.iso(now))


def _streak(item: Mapping[str, Any]) -> int:
    """A host's own count of bad verdicts, or the job's of bad runs."""
    streak: int = item["streak"] if "streak" in item else (item.get("status") or {}).get("streak", 0)
    return streak


def _about(job: str, item: Mapping[str, Any]) -> str:
    return job if item["sk"] == NO_TARGET else f"{job} {item['sk']}"


def _story(job: str, item: Mapping[str, Any]) -> dict[str, Any]:
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
