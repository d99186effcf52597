"""An interrupted run is found by its expired lease."""

from __future__ import annotations

import pytest

from functions.operations.reconciler import Reconciler
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.run.claim import Claim, Claims
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from shared.store import keys
from tests.conftest import NOON, Lines, VirtualClock
from tests.functions.operations.conftest import ENTRIES
from tests.support.sweep_job import Sweep

RUN = "20260302T120000.000Z-aaaaaaaa"


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
    assert taken.expired_holder is None


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
