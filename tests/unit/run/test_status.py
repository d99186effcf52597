"""Status of runs: the streak of bad results, its first error, and the last good run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared import clock
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Failed, Outcome, Reason, Refused, Skipped, Snoozed
from shared.run import status, status_view
from shared.run.context import RunContext
from shared.store import keys, table
from shared.tables import STATE
from tests.conftest import NOON


class Check(Job):
    """Check hosts."""

    name = "check"
    idempotency = natural("a check changes nothing")

    def work(self, run: RunContext) -> Outcome:
        return Done()


def after(*outcomes: Outcome) -> dict[str, Any]:
    """Status map after these outcomes, a minute apart."""
    last: dict[str, Any] = {}
    for number, outcome in enumerate(outcomes):
        last = status.from_outcome(outcome, NOON + timedelta(minutes=number), 7, last)
    return last


def write(cloud: Cloud, minute: int, *, ok: bool, note: str = "") -> bool:
    at = clock.iso(NOON + timedelta(minutes=minute))
    return status.write_host(cloud, Check(), "shop.example", at, {"ok": ok, "at": at, "note": note})


@pytest.mark.parametrize(("ahead", "written"), [(59, False), (61, True), (60 * 24 * 365, True)])
def test_a_host_status_far_ahead_of_the_clock_is_replaced(cloud: Cloud, ahead: int, written: bool) -> None:
    assert write(cloud, ahead, ok=True)
    assert write(cloud, 0, ok=False, note="down") is written
    assert (row(cloud)["status"]["ok"] is False) is written


def test_a_run_that_ends_late_overwrites_no_host_status_of_a_later_one(cloud: Cloud) -> None:
    later = {"ok": True, "at": clock.iso(NOON + timedelta(minutes=6))}
    late = {"ok": False, "at": clock.iso(NOON + timedelta(minutes=9))}
    assert status.write_host(cloud, Check(), "shop.example", "b", later, NOON + timedelta(minutes=5))
    assert not status.write_host(cloud, Check(), "shop.example", "a", late, NOON)
    assert row(cloud)["status"] == later


def row(cloud: Cloud) -> dict[str, Any]:
    return table.get(cloud, STATE, keys.claim("check", "shop.example"))


def test_bad_results_are_counted_with_the_first_error_and_the_last_good_run() -> None:
    last = after(Done(), Failed("first"), Refused("second"))
    assert (last["streak"], last["firstError"], last["note"]) == (2, "first", "second")
    assert last["lastGood"] == clock.iso(NOON)


def test_a_good_result_ends_the_streak() -> None:
    last = after(Failed("first"), Done(status_code=204))
    assert "streak" not in last
    assert (last["lastGood"], last["statusCode"]) == ("2026-03-02T12:01:00.000Z", 204)


def test_the_timestamp_is_the_end_of_the_run() -> None:
    assert (after(Done())["at"], after(Done())["ms"]) == ("2026-03-02T12:00:00.007Z", 7)


def test_a_streak_counts_ticks_and_not_their_attempts_or_parts() -> None:
    last: dict[str, Any] = {}
    for counted in (False, True, True):
        last = status.from_outcome(Failed("x"), NOON, 7, last, counted=counted)
    assert last["streak"] == 1
    assert status.from_outcome(Failed("x"), NOON, 7, last)["streak"] == 2


def test_a_good_part_before_the_last_ends_no_streak() -> None:
    bad = after(Done(), Failed("first"))
    part = status.from_outcome(Done(), NOON, 7, bad, unfinished=True)
    assert (part["ok"], part["streak"], part["firstError"], part["lastGood"]) == (True, 1, "first", bad["lastGood"])


@pytest.mark.parametrize("outcome", [Skipped(Reason.RATE_LIMITED), Snoozed(60)])
def test_a_run_that_did_nothing_is_neither_good_nor_bad(outcome: Outcome) -> None:
    last = after(Done(), Failed("first"), outcome)
    assert (last["streak"], last["lastGood"]) == (1, after(Done())["lastGood"])


def test_a_long_note_is_cut() -> None:
    assert len(after(Failed("no " * 500))["note"].encode()) <= 100


def test_a_host_counts_bad_results_in_a_row(cloud: Cloud) -> None:
    for minute, note in enumerate(("first", "second")):
        assert write(cloud, minute, ok=False, note=note)
    assert (row(cloud)["streak"], row(cloud)["firstError"]) == (2, "first")
    assert write(cloud, 2, ok=True)
    assert (row(cloud)["streak"], row(cloud).get("firstError")) == (0, None)


def test_a_repeated_or_older_write_counts_nothing(cloud: Cloud) -> None:
    assert write(cloud, 1, ok=False)
    assert not write(cloud, 1, ok=False)
    assert not write(cloud, 0, ok=True)
    assert row(cloud)["streak"] == 1


def test_hosts_without_a_status_are_left_out(cloud: Cloud) -> None:
    write(cloud, 0, ok=True)
    assert [*status.read_hosts(cloud, Check(), ["shop.example", "new.example"])] == ["shop.example"]


@pytest.mark.parametrize(
    ("state", "outcome", "fields"),
    [
        ("COMPLETED", Done(), {"step": "finished", "progress": 100, "completedAt": "2026-03-02T12:00:00.007Z"}),
        ("FAILED", Failed("x"), {"step": "error", "error": "x", "failedAt": "2026-03-02T12:00:00.007Z"}),
        ("SKIPPED", Skipped(Reason.DISABLED), {"step": "disabled"}),
    ],
)
def test_a_status_is_served_with_the_fields_of_its_state(state: str, outcome: Outcome, fields: dict[str, Any]) -> None:
    view = status_view.view({"state": state, "status": after(outcome)})
    assert view.items() >= {**fields, "state": state, "startedAt": "2026-03-02T12:00:00.000Z"}.items()
    assert not {"completedAt", "failedAt", "error", "progress"} & (view.keys() - fields.keys())


def test_the_last_thirty_results_are_recorded_and_nothing_that_is_neither() -> None:
    last: dict[str, Any] = {}
    for number in range(40):
        last = status.from_outcome(Failed("x") if number % 10 == 9 else Done(), NOON, 7, last)
    assert last["recent"] == ("+" * 9 + "-") * 3
    assert status.from_outcome(Skipped(Reason.PAUSED), NOON, 7, last)["recent"] == last["recent"]
