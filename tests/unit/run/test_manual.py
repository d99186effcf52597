"""Manual runs: a repeated request is one run, and a minute admits few."""

from __future__ import annotations

from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Failed, Outcome, Reason
from shared.run.claim import LEASE_MARGIN
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.manual import RATE_LIMIT, ManualRequest
from shared.store import table
from shared.tables import STATE, TTL
from tests.conftest import NOON, VirtualClock


class Report(Job):
    """Write a report."""

    name = "report"
    timeout = 60
    idempotency = natural("a report is written over")

    def work(self, run: RunContext) -> Outcome:
        return Done()


FIRING = Firing("report", NOON, id="request-1", manual=True)


@pytest.fixture
def request_(cloud: Cloud) -> ManualRequest:
    return ManualRequest(cloud, Report(), FIRING)


def row(request: ManualRequest) -> dict[str, Any]:
    return table.get(request.cloud, STATE, request.key)


def test_a_repeated_request_is_refused_and_names_the_run_that_serves_it(request_: ManualRequest) -> None:
    assert request_.take("run-1") is None
    refusal = request_.take("run-2")
    assert refusal is not None
    assert (refusal.reason, refusal.note) == (Reason.DEDUPLICATED, "this request is served by run run-1")


def test_the_same_run_may_take_its_request_again(request_: ManualRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    request_.take("run-1")
    assert request_.take("run-1") is None


@pytest.mark.parametrize(
    "later", [FIRING.continuation(), FIRING.deferred(), FIRING.retry("x", NOON), FIRING.retry("x", NOON).deferred()]
)
def test_each_later_turn_of_a_request_is_served_once(later: Firing, request_: ManualRequest, cloud: Cloud) -> None:
    request_.take("run-1")
    assert ManualRequest(cloud, Report(), later).take("run-2") is None
    for again in (later, FIRING):
        refusal = ManualRequest(cloud, Report(), again).take("run-3")
        assert refusal is not None
        assert refusal.run == "run-2"


def test_each_shard_of_a_manual_run_is_a_request_of_its_own(request_: ManualRequest, cloud: Cloud) -> None:
    request_.take("run-1")
    for number in range(3):
        shard = ManualRequest(cloud, Report(), FIRING.shard(number, 2))
        assert shard.take(f"shard-{number}") is None
        assert shard.take("again") is not None


def test_a_retry_takes_the_request_over(request_: ManualRequest, cloud: Cloud) -> None:
    request_.take("run-1")
    assert ManualRequest(cloud, Report(), FIRING.retry("no answer", NOON)).take("run-2") is None
    assert row(request_)["run"] == "run-2"


def test_the_request_of_an_interrupted_run_is_taken_over_after_its_lease(
    request_: ManualRequest, clock: VirtualClock
) -> None:
    request_.take("run-1")
    clock.move(seconds=Report.timeout + LEASE_MARGIN)
    assert request_.take("run-2") is not None
    clock.move(seconds=1)
    assert request_.take("run-2") is None


def test_a_request_with_an_outcome_is_not_taken_again(request_: ManualRequest, clock: VirtualClock) -> None:
    request_.take("run-1")
    request_.end("run-1", Done(note="3 pages"), 70)
    clock.move(hours=1)
    assert request_.take("run-2") is not None
    assert (row(request_)["outcome"], row(request_)["note"], row(request_)["ms"]) == ("done", "3 pages", 70)


def test_only_the_run_that_serves_a_request_ends_it(request_: ManualRequest) -> None:
    request_.take("run-2")
    request_.end("run-1", Failed("too late"), 70)
    assert "outcome" not in row(request_)


def test_a_request_expires_after_a_day(request_: ManualRequest) -> None:
    request_.take("run-1")
    assert row(request_)[TTL] == int(NOON.timestamp()) + 86_400


def test_requests_over_the_limit_of_a_minute_are_not_admitted(request_: ManualRequest, clock: VirtualClock) -> None:
    assert [request_.admit() for _ in range(RATE_LIMIT + 1)] == [True] * RATE_LIMIT + [False]
    clock.move(minutes=1)
    assert request_.admit()
