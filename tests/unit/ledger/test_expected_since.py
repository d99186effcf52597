"""Ticks are expected of what is deployed, from then on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.aws.cloud import Cloud
from shared.job.manifest import Entry
from shared.ledger import expected_since
from tests.conftest import NOON, Calls, VirtualClock
from tests.unit.ledger.test_ledger import ENTRY, with_

HOURLY = with_(schedules=["0 * * * *"])


def kept(cloud: Cloud, **entries: Entry) -> dict[str, str]:
    return {name: known["since"] for name, known in expected_since.kept(cloud, entries)["jobs"].items()}


def test_a_job_counts_from_an_hour_after_it_was_first_seen(cloud: Cloud, clock: VirtualClock) -> None:
    assert kept(cloud, sweep=ENTRY) == {"sweep": "2026-03-02T13:00Z"}
    clock.move(days=1)
    assert kept(cloud, sweep=ENTRY, purge=ENTRY) == {"sweep": "2026-03-02T13:00Z", "purge": "2026-03-03T13:00Z"}
    assert expected_since.since(expected_since.read(cloud), "sweep") == NOON + timedelta(hours=1)
    assert expected_since.since(expected_since.read(cloud), "stranger") is None


def test_what_has_not_changed_costs_one_read(cloud: Cloud) -> None:
    kept(cloud, sweep=ENTRY)
    calls = Calls(cloud)
    kept(cloud, sweep=ENTRY)
    assert calls.made == ["dynamodb:GetItem"]


def test_a_job_that_fires_at_other_times_counts_anew(cloud: Cloud, clock: VirtualClock) -> None:
    kept(cloud, sweep=ENTRY)
    clock.move(days=1)
    assert kept(cloud, sweep=HOURLY) == {"sweep": "2026-03-03T13:00Z"}


def test_a_job_that_is_gone_leaves_the_roster_and_counts_anew_when_it_returns(
    cloud: Cloud, clock: VirtualClock
) -> None:
    kept(cloud, sweep=ENTRY, purge=ENTRY)
    clock.move(days=1)
    assert kept(cloud, sweep=ENTRY) == {"sweep": "2026-03-02T13:00Z"}
    assert kept(cloud, sweep=ENTRY, purge=ENTRY)["purge"] == "2026-03-03T13:00Z"


def test_a_roster_that_moves_under_every_try_is_an_error(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    read = expected_since.read
    kept(cloud, sweep=ENTRY)
    stale = read(cloud)
    kept(cloud, sweep=HOURLY)
    monkeypatch.setattr(expected_since, "read", lambda _: stale)
    with pytest.raises(expected_since.ExpectedSinceConflict, match="ledger / jobs was written 3 times"):
        kept(cloud, sweep=ENTRY, purge=ENTRY)
