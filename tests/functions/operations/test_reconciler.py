"""An interrupted run is found by its expired lease."""

from __future__ import annotations

from typing import Any

import pytest

from functions.operations.reconciler import Reconciler
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.run.claim import Claim, Claims
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from shared.store import keys, table
from shared.tables import STATE
from tests.conftest import NOON, Lines, VirtualClock
from tests.functions.operations.conftest import ENTRIES
from tests.support.sweep_job import Sweep

RUN = "20260302T120000.000Z-aaaaaaaa"
OK = {"outcome": "done", "ok": True, "at": "2026-03-02T12:00:00.007Z", "ms": 7}


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "load", lambda: ENTRIES)


def reconcile(cloud: Cloud, log: Lines) -> RunReport:
    return run(Reconciler(), Firing("reconciler", cloud.clock.now()), cloud, log)


def test_a_run_whose_lease_expired_is_marked_lost_and_its_job_can_run(
    cloud: Cloud, clock: VirtualClock, log: Lines
) -> None:
    held = Claims(cloud, Sweep(), "-")
    held.take(Firing("sweep", NOON), RUN, "r")
    clock.move(minutes=5)
    assert reconcile(cloud, log).counts["lost"] == 1
    row = cloud.dynamodb.get_item(
        TableName=cloud.names.table("state"), Key=attributes.row(keys.run("sweep", RUN).attributes)
    )["Item"]
    assert attributes.plain(row)["outcome"] == "lost"
    assert attributes.plain(row)["tick"] == "2026-03-02T12:00Z#00"
    item = attributes.plain(
        cloud.dynamodb.get_item(TableName=cloud.names.table("state"), Key=attributes.row(held.key.attributes))["Item"]
    )
    assert (item["status"]["outcome"], item["status"]["streak"], item["state"]) == ("lost", 1, "FAILED")
    taken = held.take(Firing("sweep", NOON.replace(minute=5)), "b", "r")
    assert isinstance(taken, Claim)
    assert taken.finished_before == ""


def test_a_run_within_its_lease_is_not_marked_lost(cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    Claims(cloud, Sweep(), "-").take(Firing("sweep", NOON), RUN, "r")
    clock.move(seconds=60)
    assert reconcile(cloud, log).counts["lost"] == 0


def test_a_lost_run_is_counted_once(cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    Claims(cloud, Sweep(), "-").take(Firing("sweep", NOON), RUN, "r")
    clock.move(minutes=5)
    reconcile(cloud, log)
    clock.move(minutes=5)
    assert reconcile(cloud, log).counts["lost"] == 0


def test_the_row_of_a_manual_run_has_its_own_request(cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    held = Claims(cloud, Sweep(), "-")
    tick = Firing("sweep", NOON)
    held.finish(taken(held, tick, RUN), tick, OK, None, success=True)
    clock.move(minutes=1)
    lost = "20260302T120100.000Z-bbbbbbbb"
    taken(held, Firing("sweep", clock.now(), manual=True, id="m1"), lost)
    clock.move(minutes=5)
    assert reconcile(cloud, log).counts["lost"] == 1
    assert (row(cloud, lost)["tick"], row(cloud, lost)["started"]) == ("m1", "2026-03-02T12:01:00.000Z")
    assert "attempt" not in row(cloud, lost)


@pytest.mark.parametrize(
    ("firing", "tick"),
    [
        (Firing("sweep", NOON, attempt=2), "2026-03-02T12:00Z#00"),
        (Firing("sweep", NOON, part=3), "2026-03-02T12:00Z#03"),
        (Firing("sweep", NOON, manual=True, id="m1"), "m1"),
    ],
)
def test_a_finished_run_without_a_row_is_recorded(
    firing: Firing, tick: str, cloud: Cloud, clock: VirtualClock, log: Lines
) -> None:
    held = Claims(cloud, Sweep(), "-")
    held.finish(taken(held, firing, RUN), firing, OK, None, success=True)
    reconcile(cloud, log)
    assert row(cloud, RUN) == {}
    clock.move(minutes=5)
    reconcile(cloud, log)
    found = row(cloud, RUN)
    assert (found["outcome"], found["tick"], found["ms"]) == ("done", tick, 7)
    assert [line["recorded"] for line in log.said("sweep_recorded")] == [RUN]


def test_a_finished_run_with_a_row_is_left_alone(cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    run(Sweep(), Firing("sweep", NOON), cloud, log)
    clock.move(minutes=5)
    reconcile(cloud, log)
    assert log.said("sweep_recorded") == []


def test_a_lease_that_ends_later_than_any_can_counts_as_expired(cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    clock.move(days=365)
    Claims(cloud, Sweep(), "-").take(Firing("sweep", clock.now()), "20270302T120000.000Z-cccccccc", "r")
    clock.instant = NOON
    assert reconcile(cloud, log).counts["lost"] == 1


def taken(held: Claims, firing: Firing, run_id: str) -> Claim:
    claim = held.take(firing, run_id, "r")
    assert isinstance(claim, Claim)
    return claim


def row(cloud: Cloud, run_id: str) -> dict[str, Any]:
    return table.get(cloud, STATE, keys.run("sweep", run_id))
