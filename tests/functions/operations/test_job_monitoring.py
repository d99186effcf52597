"""Operators get one alert per streak of failures, and one when it has ended."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from functions.operations import _health
from functions.operations.job_monitoring import JobMonitoring
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.job.outcome import Done, Outcome
from shared.ledger.daily import DailyLedger
from shared.ledger.ledger import TickOutcome, TickRecord
from shared.messages.run_batch import run_batch
from shared.run import status
from shared.run.context import RunContext
from shared.run.firing import Batch, Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import NOON, Calls, Lines, VirtualClock
from tests.functions.operations.conftest import ENTRIES
from tests.support.moto_backends import alerts
from tests.support.sweep_job import Sweep


class Failing(Sweep):
    """A job that fails on request."""

    name = "sweep"
    broken = True

    def work(self, run: RunContext) -> Outcome:
        if self.broken:
            raise ValueError(f"at {run.at:%H:%M}")
        return Done()


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "load", lambda: ENTRIES)


def ticks(cloud: Cloud, log: Lines, clock: VirtualClock, job: Failing, count: int) -> None:
    for _ in range(count):
        clock.move(minutes=1)
        run(job, replace(Firing("sweep", clock.now()), retried=False), cloud, log)


def monitor(cloud: Cloud, log: Lines, clock: VirtualClock) -> RunReport:
    clock.move(minutes=1)
    return run(JobMonitoring(), Firing("job-monitoring", clock.now()), cloud, log)


def test_two_failures_in_a_row_are_not_alerted(cloud: Cloud, log: Lines, clock: VirtualClock) -> None:
    ticks(cloud, log, clock, Failing(), 2)
    assert monitor(cloud, log, clock).counts == {"failing": 0, "recovered": 0, "uncertain": 0}
    assert alerts(cloud) == []


def test_the_third_failure_is_alerted_once_with_first_error_last_good_run_and_commands(
    cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    job = Failing()
    job.broken = False
    ticks(cloud, log, clock, job, 1)
    job.broken = True
    ticks(cloud, log, clock, job, 3)
    assert monitor(cloud, log, clock).counts["failing"] == 1
    ticks(cloud, log, clock, job, 2)
    assert monitor(cloud, log, clock).counts["failing"] == 0
    [told] = alerts(cloud)
    assert (told["alert"], told["job"], told["streak"]) == ("JOB_FAILING", "sweep", 3)
    assert told["firstError"] == "ValueError: at 12:02"
    assert told["lastGood"] == "2026-03-02T12:01:00.000Z"
    assert told["commands"][:2] == [
        "python jobs.py why sweep --aws --stage test",
        "python jobs.py runs sweep --aws --stage test",
    ]


def test_a_recovery_is_alerted_once_and_a_new_streak_again(cloud: Cloud, log: Lines, clock: VirtualClock) -> None:
    job = Failing()
    ticks(cloud, log, clock, job, 3)
    monitor(cloud, log, clock)
    job.broken = False
    ticks(cloud, log, clock, job, 1)
    monitor(cloud, log, clock)
    monitor(cloud, log, clock)
    job.broken = True
    ticks(cloud, log, clock, job, 3)
    monitor(cloud, log, clock)
    assert [told["alert"] for told in alerts(cloud)] == ["JOB_FAILING", "JOB_RECOVERED", "JOB_FAILING"]


def test_the_length_of_a_streak_is_a_setting(cloud: Cloud, log: Lines, clock: VirtualClock) -> None:
    cloud.environment = {"JOB_MONITORING_STREAK": "1"}
    ticks(cloud, log, clock, Failing(), 1)
    monitor(cloud, log, clock)
    assert len(alerts(cloud)) == 1


def test_a_host_is_alerted_by_its_own_streak(cloud: Cloud, log: Lines, clock: VirtualClock) -> None:
    shown = {"ok": False, "note": "503 where a price should be", "at": "2026-03-02T12:00:00.000Z"}
    item = {"pk": "sweep:last", "sk": "shop.example", "streak": 3, "status": shown, "lastGood": NOON.isoformat()}
    cloud.dynamodb.put_item(TableName=cloud.names.table("state"), Item=attributes.row(item))
    monitor(cloud, log, clock)
    [told] = alerts(cloud)
    assert (told["entityId"], told["lastError"]) == ("shop.example", "503 where a price should be")
    assert told["commands"][2] == "python jobs.py sweep --target shop.example --aws --stage test"


def test_the_alert_of_a_host_has_its_first_error_and_last_good_visit(
    cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    for minute, note in enumerate(("", "503", "timeout", "503 again")):
        verdict = {"ok": not note, "at": f"2026-03-02T12:0{minute}:00.000Z", "note": note}
        status.write_host(cloud, Sweep(), "shop.example", "t", verdict)
    monitor(cloud, log, clock)
    [told] = alerts(cloud)
    assert (told["streak"], told["firstError"], told["lastError"]) == (3, "503", "503 again")
    assert told["lastGood"] == "2026-03-02T12:00:00.000Z"
    status.write_host(cloud, Sweep(), "shop.example", "t", {"ok": True, "at": "2026-03-02T12:09:00.000Z"})
    monitor(cloud, log, clock)
    assert [each["alert"] for each in alerts(cloud)] == ["JOB_FAILING", "JOB_RECOVERED"]


def test_bad_minutes_of_a_consumer_are_a_streak_and_a_closed_gate_does_not_count(
    cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    class Post(Sweep):
        """A consumer of letters."""

        name = "sweep"
        queue = "demo:letters"
        broken = True

        def work(self, run: RunContext) -> Outcome:
            if self.broken:
                raise ValueError(f"at {run.at:%H:%M}")
            return Done()

    job = Post()

    def deliver() -> None:
        run_batch(job, Batch("sweep", ()), cloud, log, 60)

    def minute(**environment: str) -> None:
        cloud.environment = environment
        clock.move(seconds=61)
        deliver()
        deliver()

    minute()
    minute(SWEEP_ENABLE="false")
    minute()
    minute()
    monitor(cloud, log, clock)
    [told] = alerts(cloud)
    assert (told["streak"], told["firstError"], told["lastGood"]) == (3, "ValueError: at 12:01", "never")
    job.broken = False
    minute()
    monitor(cloud, log, clock)
    assert [each["alert"] for each in alerts(cloud)] == ["JOB_FAILING", "JOB_RECOVERED"]


def reports(cloud: Cloud) -> dict[str, Any]:
    """Read the job's objects in the bucket, by key."""
    found = cloud.s3.list_objects_v2(Bucket=cloud.names.bucket, Prefix="job-monitoring/").get("Contents", [])
    bodies = [cloud.s3.get_object(Bucket=cloud.names.bucket, Key=each["Key"])["Body"].read() for each in found]
    return {each["Key"]: json.loads(body) for each, body in zip(found, bodies, strict=True)}


def test_the_first_run_of_an_hour_writes_the_report_and_an_idle_run_costs_nothing_more(
    cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    first = monitor(cloud, log, clock)
    assert [*reports(cloud)] == [first.artifact, "job-monitoring/-/latest.json"]
    calls = Calls(cloud)
    assert monitor(cloud, log, clock).artifact is None
    # Claim, finish and history; owed alerts; and the claim items and uncertain effects of the only job.
    assert sorted(calls.made) == ["dynamodb:Query"] * 3 + ["dynamodb:UpdateItem"] * 3
    clock.move(hours=1)
    later = monitor(cloud, log, clock)
    assert {first.artifact, later.artifact} < {*reports(cloud)}
    assert reports(cloud)["job-monitoring/-/latest.json"] == reports(cloud)[str(later.artifact)]
    by_hand = Firing("job-monitoring", clock.now(), manual=True, id="by hand")
    assert run(JobMonitoring(), by_hand, cloud, log).artifact


def test_the_next_run_writes_the_report_if_the_first_of_the_hour_failed(
    cloud: Cloud, log: Lines, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(_health, "report", lambda *_: 1 / 0)
        assert monitor(cloud, log, clock).outcome == "failed"
    assert monitor(cloud, log, clock).artifact
    assert monitor(cloud, log, clock).artifact is None


def test_the_report_has_the_status_of_every_job_and_host_and_the_outcomes_of_its_ticks(
    cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    monitor(cloud, log, clock)
    folded = {clock.now() - timedelta(minutes=number): TickRecord(TickOutcome.RAN) for number in range(1, 4)}
    folded[clock.now() - timedelta(minutes=4)] = TickRecord(TickOutcome.MISSED)
    folded[clock.now() - timedelta(minutes=5)] = TickRecord(TickOutcome.PAUSED)
    folded[clock.now() - timedelta(hours=25)] = TickRecord(TickOutcome.LOST)
    DailyLedger(cloud, "sweep").add(folded)
    ticks(cloud, log, clock, Failing(), 3)
    status.write_host(cloud, Sweep(), "shop.example", "t", {"ok": False, "at": NOON.isoformat(), "note": "503"})
    told = monitor(cloud, log, clock)
    assert told.counts["failing"] == 1
    report = reports(cloud)[str(told.artifact)]
    assert report.items() >= {"kind": "health", "ok": False, "status": "bad", "host": "-"}.items()
    assert report["bad"] == ["sweep", "sweep shop.example"]
    sweep = report["jobs"]["sweep"]
    assert sweep["last"].items() >= {"outcome": "failed", "streak": 3, "firstError": "ValueError: at 12:02"}.items()
    assert sweep["hosts"]["shop.example"]["note"] == "503"
    assert (sweep["ticks"], sweep["success"]) == ({"missed": 1, "paused": 1, "ran": 3}, 75.0)
