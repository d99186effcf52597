"""A failing AWS call of a live scheduled run: the tick is recorded, held by one run at most, and nothing is silent."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from botocore.exceptions import ConnectionClosedError

from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome
from shared.job.retry import NO_RETRY
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.run import run
from shared.store import keys, table
from shared.tables import STATE
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.failing_calls import Fails, failing, nth

# Claim, checkpoint, finish, history.
CALLS = 4


class Sweep(Job):
    """Sweep what is due."""

    name = "sweep"
    timeout = 60
    retry = NO_RETRY
    idempotency = natural("a swept row is not found again")

    def __init__(self) -> None:
        self.working = 0
        self.most = 0

    def work(self, run: RunContext) -> Outcome:
        self.working += 1
        self.most = max(self.most, self.working)
        try:
            run.save({"next": 1})
            return Done({"swept": 1})
        finally:
            self.working -= 1


def since(clock: VirtualClock, number: int, seconds: float) -> Fails:
    """Fail all calls from this number on, for `seconds`."""
    began: list[datetime] = []

    def fails(made: int, _: str) -> bool:
        if made < number:
            return False
        began.append(clock.now())
        return clock.now() - began[0] < timedelta(seconds=seconds)

    return fails


@pytest.mark.parametrize("number", range(1, CALLS + 1))
@pytest.mark.parametrize("kind", ["once", "reply lost", "for a second", "until the deadline"])
def test_a_tick_whose_calls_fail_is_recorded_or_fails_its_invocation(
    kind: str, number: int, cloud: Cloud, clock: VirtualClock, log: Lines
) -> None:
    seconds = {"for a second": 1, "until the deadline": Sweep.timeout}.get(kind)
    fails = since(clock, number, seconds) if seconds else nth(number)
    job, raised, report = Sweep(), False, None
    with failing(cloud, fails, reply_lost=kind == "reply lost") as fault:
        try:
            report = run(job, Firing("sweep", NOON, retried=False), cloud, log)
        except ConnectionClosedError:
            raised = True
    assert fault.failed
    clock.move(minutes=5)
    assert run(job, Firing("sweep", clock.now(), retried=False), cloud, log).outcome == "done"
    rows = [*table.query(cloud, STATE, "pk = :pk", {":pk": keys.runs("sweep", "2026-03-02")})]
    recorded = [row["outcome"] for row in rows if row["tick"].startswith("2026-03-02T12:00Z")]
    # Lambda delivers a failed invocation again; what was claimed is recorded all the same.
    assert len(recorded) == 1 or (raised and not recorded)
    assert raised or (report is not None and report.outcome == recorded[0])
    assert job.most <= 1
    assert "holder" not in table.get(cloud, STATE, keys.claim("sweep"))
    if recorded == ["lost"]:
        assert log.said("sweep_lost")
