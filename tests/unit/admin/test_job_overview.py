"""One job in at most five reads, explained from the rows that were read."""

from __future__ import annotations

from datetime import timedelta

from shared.admin import job_overview
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.ledger.ledger import TickOutcome
from tests.conftest import Calls
from tests.support.console_state import BusyNight


def test_a_failing_job_is_read_in_five_calls(cloud: Cloud) -> None:
    night = BusyNight(cloud)
    night.write()
    calls = Calls(cloud)
    overview = job_overview.read(cloud, "pricing", manifest.load()["pricing"])
    assert len(calls.made) <= 5
    assert [row["outcome"] for row in overview.runs] == ["done"] * 5
    assert sum(record.outcome is TickOutcome.FAILED for record in overview.ticks.values()) == 2
    explanation = overview.explanation("prod")
    assert any("failed 4 times in a row" in fact for fact in explanation.facts)
    assert all("--stage prod" in command for command, _ in explanation.commands)


def test_a_paused_job_has_its_pause(cloud: Cloud) -> None:
    BusyNight(cloud).write()
    overview = job_overview.read(cloud, "docs", manifest.load()["docs"])
    assert overview.pauses["job"].why == "index rebuild"
    assert any("It is paused until" in fact for fact in overview.explanation("local").facts)


def test_a_job_that_has_not_run_is_explained(cloud: Cloud) -> None:
    overview = job_overview.read(cloud, "pricing", manifest.load()["pricing"])
    assert (overview.runs, overview.durations(), overview.status) == ([], None, {})
    assert overview.explanation("local").headline


def test_runs_of_another_day_are_read_on_request(cloud: Cloud) -> None:
    night = BusyNight(cloud)
    night.good("pricing", minutes=24 * 60)
    day = (night.now - timedelta(days=1)).date()
    assert len(job_overview.read(cloud, "pricing", manifest.load()["pricing"], day).runs) == 1
