"""A tick that ran ahead of the clock stops no others, is explained, and can be forgotten."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.admin.explain import explain
from shared.admin.reset_position import ResetRefused, reset_position
from shared.admin.trace_reader import trace
from shared.aws.cloud import Cloud
from shared.run.firing import Firing
from shared.run.run import run
from shared.store import keys, table
from shared.tables import STATE
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.sweep_job import Sweep


def tick(cloud: Cloud, clock: VirtualClock, log: Lines, minutes: float) -> str:
    """Run the tick so many minutes after noon, on a machine whose clock shows that."""
    clock.instant = NOON + timedelta(minutes=minutes)
    return run(Sweep(), Firing("sweep", clock.now()), cloud, log).outcome


def item(cloud: Cloud) -> dict[str, Any]:
    return table.get(cloud, STATE, keys.claim("sweep", "-"))


@pytest.mark.parametrize("ahead", [timedelta(hours=8), timedelta(days=1), timedelta(days=365)])
def test_a_position_far_ahead_of_the_clock_is_overruled_and_told(
    ahead: timedelta, cloud: Cloud, clock: VirtualClock, log: Lines
) -> None:
    tick(cloud, clock, log, ahead.total_seconds() / 60)
    assert [tick(cloud, clock, log, minutes) for minutes in (15, 30)] == ["done", "done"]
    assert len(log.said("sweep_position_ahead")) == 1
    assert item(cloud)["last"] == "2026-03-02T12:30Z#00"
    why = explain(trace(cloud, Sweep()), "test")
    assert any("from a machine with a wrong clock, was overruled" in fact for fact in why.facts)
    assert why.commands[0][0] == "python jobs.py reset sweep --aws --stage test"
    reset_position(cloud, Sweep(), "-", "ada", "host-7 was wrong")
    assert "quarantined" not in item(cloud)


def test_a_position_a_little_ahead_is_named_by_the_ticks_that_it_supersedes_and_can_be_reset(
    cloud: Cloud, clock: VirtualClock, log: Lines
) -> None:
    tick(cloud, clock, log, 50)
    clock.instant = NOON
    report = run(Sweep(), Firing("sweep", NOON), cloud, log)
    assert (report.outcome, report.note) == (
        "superseded",
        "a later tick, 2026-03-02T12:50Z#00, is done; it is ahead of the clock",
    )
    why = explain(trace(cloud, Sweep()), "test")
    assert any("ahead of the clock: a machine with a wrong clock ran it" in fact for fact in why.facts)
    assert reset_position(cloud, Sweep(), "-", "ada", "x") == "2026-03-02T12:50Z#00"
    assert tick(cloud, clock, log, -1) == "deduplicated"
    assert tick(cloud, clock, log, 1) == "done"


def test_a_right_position_is_not_reset(cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    with pytest.raises(ResetRefused, match="its last tick is none"):
        reset_position(cloud, Sweep(), "-", "ada", "x")
    tick(cloud, clock, log, 0)
    with pytest.raises(ResetRefused, match="not ahead of the clock; nothing was done"):
        reset_position(cloud, Sweep(), "-", "ada", "x")
    assert item(cloud)["last"] == "2026-03-02T12:00Z#00"


def test_a_lease_from_a_wrong_clock_keeps_no_run_out(cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    class Killed(BaseException):
        pass

    class Dies(Sweep):
        """Be killed."""

        name = "sweep"

        def work(self, run: Any) -> Any:
            raise Killed

    clock.move(days=365)
    with pytest.raises(Killed):
        run(Dies(), Firing("sweep", clock.now()), cloud, log)
    assert tick(cloud, clock, log, 1) == "done"
