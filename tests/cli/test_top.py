"""`top` computes success rate and duration from the history."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from cli.commands.top import percentile
from shared.aws.cloud import Cloud
from shared.job.outcome import Done, Failed, Lost, Outcome, Reason, Skipped
from shared.run.begin import run_id
from shared.run.firing import Firing
from shared.run.history import History
from tests.cli.conftest import Call

AWS = ("--aws", "--stage", "test")


def ended(cloud: Cloud, outcome: Outcome, hours: float = 1, ms: int = 10) -> None:
    at = cloud.clock.now() - timedelta(hours=hours)
    History(cloud, "good", "standard").write(Firing("good", at), run_id(at), at, outcome, ms)


def standing(call: Call, *words: str) -> Any:
    return call("top", "good", "--json", *words, *AWS).json[0]


def test_the_rate_counts_executed_runs_and_no_bad_verdict_as_success(call: Call, aws: Cloud) -> None:
    for outcome in (Done(), Done(), Done(ok=False), Failed("x"), Lost("x"), Skipped(Reason.LOCKED)):
        ended(aws, outcome)
    shown = standing(call)
    assert (shown["runs"], shown["success"]) == (5, 40.0)
    assert (shown["unhealthy"], shown["failed"], shown["lost"], shown["skipped"]) == (1, 1, 1, 1)


def test_durations_are_those_of_executed_runs(call: Call, aws: Cloud) -> None:
    for ms in range(1, 101):
        ended(aws, Done(), ms=ms)
    ended(aws, Skipped(Reason.LOCKED), ms=9999)
    shown = standing(call)
    assert (shown["p50"], shown["p95"]) == (50, 95)


def test_failures_older_than_the_retained_good_runs_are_not_counted(call: Call, aws: Cloud) -> None:
    # Rows of good runs are retained for a day, those of failed runs for a week.
    ended(aws, Failed("x"), hours=30)
    ended(aws, Done())
    shown = standing(call, "--hours", "100")
    assert (shown["runs"], shown["success"]) == (1, 100.0)
    assert datetime.fromisoformat(shown["since"]) > aws.clock.now() - timedelta(hours=24, minutes=1)


def test_the_period_ends_at_the_retained_number_of_good_runs(
    call: Call, aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOD_RETENTION", "completed 1d 3, failed 7d 5000")
    ended(aws, Failed("x"), hours=5)
    for hours in (4, 3, 2, 1):
        ended(aws, Done(), hours=hours)
    assert (standing(call)["runs"], standing(call)["failed"]) == (3, 0)


def test_only_runs_within_the_hours_are_counted(call: Call, aws: Cloud) -> None:
    ended(aws, Done(), hours=1)
    ended(aws, Done(), hours=3)
    assert standing(call, "--hours", "2")["runs"] == 1


def test_jobs_are_sorted_by_success_rate_and_those_without_runs_are_last(call: Call, aws: Cloud) -> None:
    ended(aws, Failed("x"))
    rows = call("top", *AWS).out.splitlines()
    assert rows[1].split()[:3] == ["good", "0", "%"]
    shown = call("top", "--json", *AWS).json
    assert [each["success"] for each in shown] == [0.0, None, None, None, None]
    assert (shown[1]["p50"], shown[1]["last"]) == (None, "")


def test_a_job_whose_every_run_was_bad_has_no_success_and_is_first(call: Call, aws: Cloud) -> None:
    ended(aws, Done(ok=False))
    shown = call("top", "--json", *AWS).json
    assert (shown[0]["job"], shown[0]["success"], shown[0]["unhealthy"]) == ("good", 0.0, 1)
    lines = call("top", "--bad", *AWS).out.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["good"]
    assert lines[-1] == "5 jobs, 1 run: 0 good, 0 failed, 0 lost, 1 bad, 0 refused"


def test_a_narrow_top_has_a_line_for_each_number(call: Call, aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    ended(aws, Failed("x"))
    monkeypatch.setenv("COLUMNS", "40")
    lines = call("top", *AWS).out.splitlines()
    assert lines[:3] == ["good", "  success: 0 %", "  runs: 1"]
    assert "  last run: 1 h ago" in lines


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "99999"])
def test_invalid_hours_are_refused(call: Call, aws: Cloud, hours: str) -> None:
    assert call("top", "--hours", hours, *AWS).code == 2


@pytest.mark.parametrize(
    ("values", "p50", "p95"), [([7], 7, 7), ([1, 2], 1, 2), (list(range(20)), 9, 18), ([], None, None)]
)
def test_a_percentile_is_one_of_the_measured_values(values: list[int], p50: int, p95: int) -> None:
    assert (percentile(values, 50), percentile(values, 95)) == (p50, p95)
