"""The state of all jobs in one word, from one call."""

from __future__ import annotations

from datetime import timedelta

from shared import clock as clocks
from shared.admin import job_board
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.observability.mutes import Mute
from shared.store import failure_index, keys, table
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


def test_targets_decide_the_state_and_are_named_in_its_note(cloud: Cloud) -> None:
    entry = manifest.load()["pricing"]
    night = BusyNight(cloud)
    night.good("pricing", minutes=4)
    bad = {"outcome": "done", "ok": False, "at": clocks.iso(night.now), "note": "no price", "state": "FAILED"}
    table.put(cloud, STATE, {**keys.claim("pricing", "shop.example").attributes, "status": bad})
    [state] = job_board.read_with_targets(cloud, {"pricing": entry})
    assert (state.kind, state.word, state.note) == ("failing", "bad", "shop.example: no price")
    assert state.bad_targets == ["shop.example"]
    assert list(state.views()) == ["pricing:last", "pricing:last:shop.example"]
    assert job_board.read(cloud, {"pricing": entry})[0].kind == "fine"


def test_an_organization_is_shown_with_its_failed_messages(cloud: Cloud) -> None:
    now = cloud.clock.now()
    row = {"job": "usage", "outcome": "failed", "ok": False, "note": "no such meter"}
    table.put(
        cloud,
        STATE,
        {
            **keys.run("usage", "20260302T115959.000Z-9f2c61aa.1").attributes,
            **row,
            **failure_index.keys_of_run("usage", "20260302T115959.000Z-9f2c61aa.1", now, "org_1"),
        },
    )
    states = job_board.read_with_targets(cloud, {"usage": manifest.load()["usage"]})
    [state] = job_board.of_tenant(cloud, states, "org_1")
    assert (state.kind, state.word) == ("failing", "failed")
    assert list(state.notes()) == ["1 message of org_1 failed in 24 h, the last with: no such meter"]
    assert job_board.of_tenant(cloud, states, "org_2") == []


def test_mutes_are_among_the_notes_of_their_job(cloud: Cloud) -> None:
    entries = {name: manifest.load()[name] for name in ("pricing", "docs")}
    mute = Mute("pricing", "pricing", "", "*", "ada", "known", "2026-03-02T12:00:00Z", "2026-03-02T18:00:00Z")
    states = {each.name: each for each in job_board.with_mutes(job_board.read(cloud, entries), [mute])}
    assert list(states["pricing"].notes()) == ["alerts muted until 2026-03-02 18:00 UTC by ada: known"]
    assert list(states["docs"].notes()) == []
