"""Alerts come from here and not from the run that fails: that one may be dead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared import alert, backoff, board, clock, manifest, rows, settings
from shared.idempotency import version_check
from shared.job import NO_TARGET, STATE, Job
from shared.outcome import Done, Outcome
from shared.permissions import publish, read_rows, write_rows
from shared.schedule import every
from shared.tick import Tick

STREAK = settings.count("JOB_MONITORING_STREAK", 3, "Failures in a row of a job or a host before operators are told")


class JobMonitoring(Job):
    """Tell operators once when a job or a host keeps failing, and once when it is well again."""

    schedule = every(minutes=5, offset=4)
    timeout = 60
    retry = backoff.MAINTENANCE
    idempotency = version_check("a streak is marked as told only while it is the streak that was read")
    permissions = (read_rows(STATE, "*"), write_rows(STATE, "*"), publish(alert.TOPIC))
    settings = (STREAK,)
    needs_manifest = True

    def work(self, tick: Tick) -> Outcome:
        failing = recovered = 0
        least = tick.setting(STREAK.name)
        for job, item in board.items(tick.cloud, manifest.load()):
            streak = _streak(item)
            if streak >= least and "told" not in item:
                alert.send(tick.cloud, "JOB_FAILING", _about(job, item), _story(job, item), _commands(job, item))
                self._mark(tick, item, "SET told = :now", "attribute_not_exists(told)")
                failing += 1
            elif streak == 0 and "told" in item:
                alert.send(tick.cloud, "JOB_RECOVERED", _about(job, item), _story(job, item), _commands(job, item))
                self._mark(tick, item, "REMOVE told", "told = :told")
                recovered += 1
        return Done({"failing": failing, "recovered": recovered})

    def plan(self, tick: Tick) -> list[str]:
        least = tick.setting(STREAK.name)
        failing = [
            _about(job, item)
            for job, item in board.items(tick.cloud, manifest.load())
            if _streak(item) >= least and "told" not in item
        ]
        return [f"alert that {about} keeps failing" for about in failing]

    def _mark(self, tick: Tick, item: Mapping[str, Any], update: str, condition: str) -> None:
        # After the alert: a crash in between tells twice, the other order might never tell.
        values = {":now": clock.iso(tick.cloud.clock.now())} if "told" not in item else {":told": item["told"]}
        try:
            tick.cloud.dynamodb.update_item(
                TableName=tick.cloud.names.table(STATE),
                Key=rows.row({"pk": item["pk"], "sk": item["sk"]}),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=rows.row(values),
            )
        except tick.cloud.refused:
            return


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
        "firstError": status.get("firstError") or status.get("note", ""),
        "lastGood": item.get("lastGood") or status.get("lastGood") or "never",
        "lastRun": status.get("at", ""),
    }


def _commands(job: str, item: Mapping[str, Any]) -> list[str]:
    target = "" if item["sk"] == NO_TARGET else f" --target {item['sk']}"
    return [f"python jobs.py runs {job} --aws", f"python jobs.py {job}{target} --aws"]
