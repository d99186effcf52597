"""The lease margin: clocks of two machines that differ."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.lease_margin import lease_margin, lease_seconds
from shared.job.outcome import Done, Outcome, Reason
from shared.job.retry import NO_RETRY
from shared.job.setting import SettingError
from shared.run.claim import Claim, Claims
from shared.run.claim_refusal import ClaimRefusal
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.run import run
from tests.conftest import NOON, Lines, VirtualClock


class Sweep(Job):
    """Sweep what is due."""

    name = "sweep"
    env = "SWEEP"
    timeout = 60
    retry = NO_RETRY
    idempotency = natural("a swept row is not found again")

    def work(self, run: RunContext) -> Outcome:
        return Done()


def take(cloud: Cloud, at: Firing, name: str) -> Claim | ClaimRefusal:
    return Claims(cloud, Sweep(), "-").take(at, name, name)


@pytest.mark.parametrize(("margin", "ahead", "expired"), [("10", 69, False), ("10", 90, True), ("120", 90, False)])
def test_a_clock_within_the_margin_takes_no_live_lease(
    cloud: Cloud, clock: VirtualClock, margin: str, ahead: int, expired: bool
) -> None:
    cloud.environment = {"NIGHTSHIFT_LEASE_MARGIN": margin}
    take(cloud, Firing("sweep", NOON), "first")
    clock.move(seconds=ahead)
    answer = take(cloud, Firing("sweep", NOON + timedelta(minutes=1)), "second")
    assert isinstance(answer, ClaimRefusal)
    assert answer.reason is Reason.LOCKED
    # An expired lease is refused once, so that the interrupted run is recorded before the next claim.
    assert (answer.note == "first was interrupted") is expired


@pytest.mark.parametrize("text", ["0", "301", "-1", "ten", "1.5", "٣", ""])
def test_an_invalid_margin_is_refused(text: str) -> None:
    if text:
        with pytest.raises(SettingError):
            lease_margin({"NIGHTSHIFT_LEASE_MARGIN": text})
    else:
        assert lease_margin({"NIGHTSHIFT_LEASE_MARGIN": text}) == 10


def test_a_lease_lasts_for_the_timeout_and_the_margin() -> None:
    assert lease_seconds(60, {}) == 70
    assert lease_seconds(60, {"NIGHTSHIFT_LEASE_MARGIN": " 300 "}) == 360


def test_a_run_with_an_invalid_margin_fails_before_its_claim(cloud: Cloud, log: Lines) -> None:
    cloud.environment = {"NIGHTSHIFT_LEASE_MARGIN": "soon"}
    report = run(Sweep(), Firing("sweep", NOON, retried=False), cloud, log)
    assert report.outcome == "failed"
    assert "NIGHTSHIFT_LEASE_MARGIN" in report.note
