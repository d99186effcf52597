"""The state of all jobs in one word, from one call."""

from __future__ import annotations

from datetime import timedelta

from shared import clock as clocks
from shared.admin import job_board
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.store import keys, table
from shared.tables import STATE
from tests.conftest import Calls
from tests.support.console_state import BusyNight


def test_all_jobs_are_read_in_one_call_failing_first(cloud: Cloud) -> None:
    BusyNight(cloud).write()
    calls = Calls(cloud)
    states = job_board.read(cloud, manifest.load())
    assert calls.made == ["dynamodb:BatchGetItem"]
    assert len(states) == len(manifest.load())
    assert [state.name for state in states[:4]] == ["pricing", "usage", "audit-log-cleanup", "docs"]
    assert [state.kind for state in states[:4]] == ["failing", "failing", "running", "paused"]
    assert {state.kind for state in states[4:]} == {"fine"}
    assert (states[0].word, states[0].streak) == ("bad", 4)
    assert {state.name for state in states if state.last_dead_letter} == {"crash", "usage"}


def test_a_job_without_a_run_is_not_run_yet(cloud: Cloud) -> None:
    entries = manifest.load()
    [state] = job_board.read(cloud, {"pricing": entries["pricing"]})
    assert (state.kind, state.word, state.last, state.data()["last"]) == ("not run yet", "not run yet", "", None)


def test_a_tick_without_a_trace_makes_the_job_late(cloud: Cloud) -> None:
    entry = manifest.load()["pricing"]
    night = BusyNight(cloud)
    night.good("pricing", minutes=40)
    since = {"pricing": {"since": clocks.minute(night.now - timedelta(days=2)), "schedules": "x"}}
    table.put(cloud, STATE, {**keys.expected_since().attributes, "jobs": since})
    [state] = job_board.read(cloud, {"pricing": entry})
    assert state.kind == "late"
    assert state.overdue == night.now - timedelta(minutes=15)


def test_a_tick_is_not_missed_before_it_is_expected(cloud: Cloud) -> None:
    night = BusyNight(cloud)
    night.good("pricing", minutes=40)
    [state] = job_board.read(cloud, {"pricing": manifest.load()["pricing"]})
    assert state.kind == "fine"
