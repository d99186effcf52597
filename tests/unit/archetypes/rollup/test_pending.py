"""Sums that cannot be added are stored, and added later in the order of their windows."""

from __future__ import annotations

from datetime import date
from typing import Any

from shared.archetypes.rollup import pending
from shared.archetypes.rollup.pending import PendingSums
from shared.archetypes.rollup.periods import Days
from shared.aws.cloud import Cloud
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.owner_failures import OwnerFailures
from tests.conftest import NOON, Lines
from tests.unit.run.test_owner_failures import Digest

DAY = date(2026, 3, 2)


def sums(cloud: Cloud, log: Lines) -> PendingSums:
    run = RunContext(Digest(), Firing("digest", NOON), cloud, "r1", NOON, log)
    return PendingSums(run, OwnerFailures(run))


def test_stored_windows_are_added_in_order_and_once(cloud: Cloud, log: Lines) -> None:
    first, added = sums(cloud, log), list[Any]()
    for end in ("2026-03-02T11:00:00.000Z", "2026-03-02T10:00:00.000Z"):
        first.store("ada", {DAY: [5, 1]}, end)
    assert "ada" in first
    second = sums(cloud, log)
    second.add(lambda *given: added.append(given))
    assert added == [
        ("ada", {DAY: [5, 1]}, "2026-03-02T10:00:00.000Z"),
        ("ada", {DAY: [5, 1]}, "2026-03-02T11:00:00.000Z"),
    ]
    assert "ada" not in second
    assert pending.owners(cloud, "digest") == set()


def test_an_owner_whose_oldest_window_fails_keeps_all_and_others_are_added(cloud: Cloud, log: Lines) -> None:
    first, tried = sums(cloud, log), list[str]()
    for owner in ("ada", "bob"):
        for hour in (10, 11):
            first.store(owner, {DAY: [5, 1]}, f"2026-03-02T{hour}:00:00.000Z")

    def add(owner: str, _days: Days, end: str) -> None:
        tried.append(f"{owner} {end[11:13]}")
        if owner == "ada":
            raise ValueError("text")

    second = sums(cloud, log)
    second.add(add)
    assert tried == ["ada 10", "bob 10", "bob 11"]
    assert ("ada" in second, "bob" in second) == (True, False)
    assert second.failures.errors == {"ada": "ValueError: text"}
    assert pending.owners(cloud, "digest") == {"ada"}
