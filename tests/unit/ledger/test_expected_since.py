"""Ticks of a job are expected from its deployment on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.aws.cloud import Cloud
from shared.job.manifest import Entry
from shared.ledger import expected_since
from tests.conftest import NOON, Calls, VirtualClock
from tests.unit.ledger.test_ledger import ENTRY, with_

HOURLY = with_(schedules=["0 * * * *"])


def refreshed(cloud: Cloud, **entries: Entry) -> dict[str, str]:
    return {name: recorded["since"] for name, recorded in expected_since.refresh(cloud, entries)["jobs"].items()}


def test_a_job_counts_from_an_hour_after_it_was_first_seen(cloud: Cloud, clock: VirtualClock) -> None:
    assert refreshed(cloud, sweep=ENTRY) == {"sweep": "2026-03-02T13:00Z"}
    clock.move(days=1)
    assert refreshed(cloud, sweep=ENTRY, purge=ENTRY) == {"sweep": "2026-03-02T13:00Z", "purge": "2026-03-03T13:00Z"}
    assert expected_since.since(expected_since.read(cloud), "sweep") == NOON + timedelta(hours=1)
    assert expected_since.since(expected_since.read(cloud), "stranger") is None


def test_an_unchanged_deployment_costs_one_read(cloud: Cloud) -> None:
    refreshed(cloud, sweep=ENTRY)
    calls = Calls(cloud)
    refreshed(cloud, sweep=ENTRY)
    assert calls.made == ["dynamodb:GetItem"]


def test_a_job_with_a_new_schedule_counts_from_then_on(cloud: Cloud, clock: VirtualClock) -> None:
    refreshed(cloud, sweep=ENTRY)
    clock.move(days=1)
    assert refreshed(cloud, sweep=HOURLY) == {"sweep": "2026-03-03T13:00Z"}


def test_a_removed_job_is_dropped_and_counts_from_its_return(cloud: Cloud, clock: VirtualClock) -> None:
    refreshed(cloud, sweep=ENTRY, purge=ENTRY)
    clock.move(days=1)
    assert refreshed(cloud, sweep=ENTRY) == {"sweep": "2026-03-02T13:00Z"}
    assert refreshed(cloud, sweep=ENTRY, purge=ENTRY)["purge"] == "2026-03-03T13:00Z"


def test_a_row_that_others_write_each_time_is_an_error(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    read = expected_since.read
    refreshed(cloud, sweep=ENTRY)
    stale = read(cloud)
    refreshed(cloud, sweep=HOURLY)
    monkeypatch.setattr(expected_since, "read", lambda _: stale)
    with pytest.raises(expected_since.ExpectedSinceConflict, match="was written by others 3 times"):
        refreshed(cloud, sweep=ENTRY, purge=ENTRY)
