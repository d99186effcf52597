"""Gates: a closed one skips a run before anything is claimed, an unreadable one fails it."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from shared.aws.cloud import Cloud
from shared.job import setting
from shared.job.budget import Budget
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Failed, Outcome, Reason, Skipped
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.gates import closed_outcome
from tests.conftest import NOON, Calls, VirtualClock


class Gated(Job):
    """Call hosts that are allowed."""

    name = "gated"
    idempotency = natural("a call changes nothing")
    grace = 60
    budget = Budget(items=10)
    settings: ClassVar = (setting.names("GATED_HOSTS", "shop.example", "Hosts that may be called"),)

    def work(self, run: RunContext) -> Outcome:
        return Done()


TICK = Firing("gated", NOON)


def closed(cloud: Cloud, firing: Firing = TICK, **environment: str) -> Skipped | Failed | None:
    cloud.environment = environment
    return closed_outcome(Gated(), firing, cloud)


def test_open_gates_let_a_tick_pass_without_a_call(cloud: Cloud) -> None:
    calls = Calls(cloud)
    assert closed(cloud) is None
    assert calls.made == []


def test_a_disabled_job_is_skipped(cloud: Cloud) -> None:
    assert closed(cloud, GATED_ENABLE="false") == Skipped(Reason.DISABLED, "GATED_ENABLE is false")


@pytest.mark.parametrize("name", ["GATED_ENABLE", "GATED_BUDGET"])
def test_an_unreadable_setting_fails_the_run_for_good(name: str, cloud: Cloud) -> None:
    outcome = closed(cloud, TICK, **{name: "perhaps"})
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.final) == ("SettingError", True)
    assert f"{name}='perhaps'" in outcome.error


def test_a_host_must_be_allowed(cloud: Cloud) -> None:
    assert closed(cloud, replace(TICK, target="shop.example")) is None
    assert closed(cloud, replace(TICK, target="other.example")) == Skipped(
        Reason.FORBIDDEN, "GATED_HOSTS does not allow other.example"
    )
    # An empty variable counts as not set; a comma is an empty list.
    assert closed(cloud, GATED_HOSTS="") is None
    assert closed(cloud, GATED_HOSTS=",") == Skipped(Reason.FORBIDDEN, "GATED_HOSTS does not allow any host")


def test_a_tick_past_its_grace_is_skipped_and_its_follow_ups_are_not(cloud: Cloud, clock: VirtualClock) -> None:
    clock.move(seconds=60)
    assert closed(cloud) is None
    clock.move(seconds=1)
    assert closed(cloud) == Skipped(Reason.LATE, "started 61 s after its time; 60 s of grace")
    for firing in (TICK.retry("no answer", NOON), TICK.continuation(), replace(TICK, manual=True)):
        assert closed(cloud, firing) is None
