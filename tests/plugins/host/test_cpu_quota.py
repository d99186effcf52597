"""The hourly CPU quota that all jobs of a plugin share."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.plugins.host import cpu_quota, sandbox
from shared.plugins.host.cpu_quota import Reservation
from shared.plugins.host.disk_workspace import DiskWorkspace
from shared.plugins.job import folder_of
from tests.conftest import Lines, VirtualClock
from tests.plugins.test_job import acme, files, ticked

__all__ = ["files"]
BUSY = "t = time.process_time()\n    while time.process_time() < t + 0.05: pass"


def tick(cloud: Cloud, limit: int) -> Any:
    return SimpleNamespace(cloud=cloud, setting=lambda name: {cpu_quota.LIMIT.name: limit}[name])


def test_a_plugin_that_has_used_its_quota_waits_for_the_next_hour(
    cloud: Cloud, clock: VirtualClock, log: Lines, files: DiskWorkspace, tmp_path: Path
) -> None:
    made = acme(tmp_path, BUSY)
    cloud.environment = {**cloud.environment, "KB_PLUGIN_CPU_MS_PER_HOUR": "20"}
    assert ticked(made, cloud, log).outcome == "done"
    clock.move(minutes=1)
    second = ticked(made, cloud, log)
    assert (second.outcome, "acme has used" in second.note) == ("rate_limited", True)
    clock.move(hours=1)
    assert ticked(made, cloud, log).outcome == "done"


def test_two_runs_cannot_reserve_the_same_cpu_time(cloud: Cloud) -> None:
    at = tick(cloud, 100)
    first = cpu_quota.reserve(at, "acme", 80)
    assert isinstance(first, Reservation)
    assert isinstance(cpu_quota.reserve(at, "acme", 80), Reservation)
    assert cpu_quota.reserve(at, "acme", 1) == (
        "acme has used 160 ms of CPU time in this hour; KB_PLUGIN_CPU_MS_PER_HOUR allows 100"
    )
    assert isinstance(cpu_quota.reserve(at, "other", 80), Reservation)
    cpu_quota.settle(at, first, 15)
    assert isinstance(cpu_quota.reserve(at, "acme", 1), Reservation)


@pytest.mark.parametrize("other", ["acme-tool", "@acme-tool/x", "acme", "@acme/tool-x"])
def test_plugins_with_similar_ids_have_quotas_of_their_own(cloud: Cloud, other: str) -> None:
    at = tick(cloud, 100)
    assert isinstance(cpu_quota.reserve(at, "@acme/tool", 200), Reservation)
    assert isinstance(cpu_quota.reserve(at, "@acme/tool", 1), str)
    assert isinstance(cpu_quota.reserve(at, other, 1), Reservation)
    assert cpu_quota.grants("@acme/tool")[0].keys != cpu_quota.grants(other)[0].keys
    assert folder_of("@acme/tool") != folder_of(other)


def test_a_reservation_is_settled_in_its_own_hour(cloud: Cloud, clock: VirtualClock) -> None:
    at = tick(cloud, 100)
    reserved = cpu_quota.reserve(at, "acme", 200)
    assert isinstance(reserved, Reservation)
    clock.move(hours=1)
    cpu_quota.settle(at, reserved, 1)
    assert isinstance(cpu_quota.reserve(at, "acme", 100), Reservation)
    assert isinstance(cpu_quota.reserve(at, "acme", 1), str)


def test_an_interrupted_host_leaves_the_reservation_used(
    cloud: Cloud, log: Lines, files: DiskWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Death(BaseException):
        pass

    def die(*_: object) -> None:
        raise Death

    cloud.environment = {**cloud.environment, "KB_PLUGIN_CPU_MS_PER_HOUR": "29000"}
    made = acme(tmp_path, "return 1")
    monkeypatch.setattr(sandbox, "run", die)
    with pytest.raises(Death):
        ticked(made, cloud, log)
    assert cpu_quota.reserve(tick(cloud, 29_000), "acme", 1) == (
        "acme has used 30,000 ms of CPU time in this hour; KB_PLUGIN_CPU_MS_PER_HOUR allows 29,000"
    )


@pytest.mark.parametrize("code", [BUSY, f"{BUSY}\n    1 / 0"])
def test_time_in_the_hosts_process_counts_too(
    cloud: Cloud, log: Lines, files: DiskWorkspace, tmp_path: Path, code: str
) -> None:
    cloud.environment = {**cloud.environment, "KB_JOBS_DEBUG": "true"}
    ticked(acme(tmp_path, code), cloud, log)
    said = cpu_quota.reserve(tick(cloud, 1), "acme", 1)
    assert isinstance(said, str)
    assert 50 <= int(said.split()[3].replace(",", "")) < 5000
