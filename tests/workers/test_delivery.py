"""One delivery: run, deferred, or counted as a lost attempt."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import pytest

from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome
from shared.job.retry import explicit
from shared.run import lost_runs
from shared.run.claim import Claim, Claims
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.manual import ManualRequest
from shared.run.report import RunReport
from shared.store import keys
from tests.conftest import NOON, Calls, Lines, VirtualClock, letters, waiting
from workers import delivery
from workers.delivery import InProgress

RUN = "20260302T120000.000Z-aaaaaaaa"
TICK = Firing("sweep", NOON, by="worker", correlation_id="c")


class Sweep(Job):
    """Sweep what is due."""

    name = "sweep"
    timeout = 60
    retry = explicit(30, 60)
    idempotency = natural("a swept row is not found again")

    def __init__(self) -> None:
        self.ran = 0

    def work(self, run: RunContext) -> Outcome:
        self.ran += 1
        return Done({"swept": 3})


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Sweep:
    made = Sweep()
    monkeypatch.setattr(delivery, "all_jobs", lambda: {"sweep": made})
    return made


def body(firing: Firing = TICK) -> Any:
    return {"firing": firing.data()}


def take(cloud: Cloud, firing: Firing = TICK, request: str = "message-1") -> Claim:
    """An earlier delivery that has started."""
    taken = Claims(cloud, Sweep(), "-").take(firing, RUN, request)
    assert isinstance(taken, Claim)
    return taken


def row(cloud: Cloud, run: str = RUN) -> dict[str, Any]:
    key = attributes.row(keys.run("sweep", run).attributes)
    return attributes.plain(cloud.dynamodb.get_item(TableName=cloud.names.table("state"), Key=key).get("Item"))


def test_a_first_delivery_runs_at_the_cost_of_a_run(job: Sweep, cloud: Cloud, log: Lines) -> None:
    calls = Calls(cloud)
    report = delivery.deliver(body(), "message-1", cloud, log, first=True)
    assert isinstance(report, RunReport)
    assert (report.outcome, job.ran) == ("done", 1)
    assert calls.made == ["dynamodb:UpdateItem"] * 3


def test_what_may_have_been_delivered_before_costs_a_look(job: Sweep, cloud: Cloud, log: Lines) -> None:
    calls = Calls(cloud)
    delivery.deliver(body(), "message-1", cloud, log)
    assert (calls.made[0], len(calls.made), job.ran) == ("dynamodb:GetItem", 4, 1)


def test_a_message_whose_run_may_still_work_is_deferred_until_its_lease_ends(
    job: Sweep, cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    take(cloud)
    clock.move(seconds=20)
    assert delivery.deliver(body(), "message-1", cloud, log) == InProgress(51)
    assert job.ran == 0
    assert waiting(cloud, "work") == []


def test_a_run_interrupted_with_its_worker_is_lost_and_its_next_attempt_sent(
    job: Sweep, cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    take(cloud)
    clock.move(seconds=71)
    assert delivery.deliver(body(), "message-1", cloud, log) is None
    assert job.ran == 0
    assert (row(cloud)["outcome"], row(cloud)["attempt"], row(cloud)["note"]) == ("lost", 1, delivery.EARLIER)
    [sent] = waiting(cloud, "work")
    assert (sent["firing"]["attempt"], sent["firing"]["last_error"]) == (2, delivery.EARLIER)
    report = delivery.deliver(sent, "message-2", cloud, log, first=True)
    assert isinstance(report, RunReport)
    assert report.outcome == "done"


def test_a_lost_run_that_the_reconciler_found_first_is_followed_by_its_next_attempt(
    job: Sweep, cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    take(cloud)
    clock.move(seconds=71)
    entry = manifest.of([job])["sweep"]
    assert lost_runs.mark_lost(cloud, log, "sweep", entry, lost_runs.claim_item(cloud, entry, "-"), "no word")
    assert delivery.deliver(body(), "message-1", cloud, log) is None
    assert waiting(cloud, "work")[0]["firing"]["attempt"] == 2


def test_a_run_that_ended_but_was_not_acknowledged_is_let_be(job: Sweep, cloud: Cloud, log: Lines) -> None:
    ended = {"outcome": "done", "ok": True, "at": "2026-03-02T12:00:00.000Z", "ms": 5}
    Claims(cloud, job, "-").finish(take(cloud), TICK, ended, None, success=True)
    assert delivery.deliver(body(), "message-1", cloud, log) is None
    assert job.ran == 0
    assert waiting(cloud, "work") == []
    assert row(cloud)["outcome"] == "done"


def test_a_delivery_whose_worker_was_interrupted_before_it_began_is_run(job: Sweep, cloud: Cloud, log: Lines) -> None:
    report = delivery.deliver(body(), "message-1", cloud, log)
    assert isinstance(report, RunReport)
    assert (report.outcome, job.ran) == ("done", 1)


def test_the_lease_of_another_message_is_not_a_lost_run(
    job: Sweep, cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    take(cloud, replace(TICK, at=NOON.replace(minute=1)), "another message")
    clock.move(minutes=1)
    report = delivery.deliver(body(), "message-1", cloud, log)
    assert isinstance(report, RunReport)
    assert report.outcome == "locked"
    assert row(cloud) == {}


def test_a_process_interrupted_before_its_claim_has_made_its_attempt(job: Sweep, cloud: Cloud, log: Lines) -> None:
    delivery.interrupted(body(), "message-1", "its process was ended by SIGKILL", cloud, log)
    [sent] = waiting(cloud, "work")
    assert sent["firing"]["attempt"] == 2


def test_an_interrupted_last_attempt_is_a_dead_letter(job: Sweep, cloud: Cloud, log: Lines) -> None:
    last = replace(TICK, attempt=3, hop=5)
    take(cloud, last)
    delivery.interrupted(body(last), "message-1", "its process was ended by SIGKILL", cloud, log)
    [letter] = letters(cloud, "firings-dlq")
    assert letter["dead"]["reason"] == "all 3 attempts used up"
    assert (letter["dead"]["run"], letter["dead"]["error"]) == (RUN, "its process was ended by SIGKILL")
    assert waiting(cloud, "work") == []
    assert log.said("sweep_lost")


def test_an_interruption_reported_twice_makes_one_next_attempt(job: Sweep, cloud: Cloud, log: Lines) -> None:
    take(cloud)
    for _ in range(2):
        delivery.interrupted(body(), "message-1", "killed", cloud, log)
    outcomes = [
        report.outcome
        for number, sent in enumerate(waiting(cloud, "work"))
        if isinstance(report := delivery.deliver(sent, f"next-{number}", cloud, log, first=True), RunReport)
    ]
    assert (outcomes, job.ran) == (["done", "deduplicated"], 1)


def test_what_is_handed_back_is_the_same_attempt_for_another_worker(job: Sweep, cloud: Cloud, log: Lines) -> None:
    take(cloud)
    delivery.return_to_queue(body(), "message-1", "its worker stops", cloud, log)
    assert row(cloud)["outcome"] == "lost"
    [sent] = waiting(cloud, "work")
    assert (sent["firing"]["attempt"], sent["firing"]["hop"]) == (1, 3)
    report = delivery.deliver(sent, "message-2", cloud, log, first=True)
    assert isinstance(report, RunReport)
    assert report.outcome == "done"


def test_what_had_not_begun_is_handed_back_too(job: Sweep, cloud: Cloud, log: Lines) -> None:
    delivery.return_to_queue(body(), "message-1", "its worker stops", cloud, log)
    [sent] = waiting(cloud, "work")
    assert sent["firing"]["attempt"] == 1


def test_what_had_ended_is_not_handed_back(job: Sweep, cloud: Cloud, log: Lines) -> None:
    ended = {"outcome": "done", "ok": True, "at": "2026-03-02T12:00:00.000Z", "ms": 5}
    Claims(cloud, job, "-").finish(take(cloud), TICK, ended, None, success=True)
    delivery.return_to_queue(body(), "message-1", "its worker stops", cloud, log)
    assert waiting(cloud, "work") == []


def test_what_was_handed_back_too_often_counts_as_an_attempt(job: Sweep, cloud: Cloud, log: Lines) -> None:
    travelled = replace(TICK, hop=9)
    take(cloud, travelled)
    delivery.return_to_queue(body(travelled), "message-1", "its worker stops", cloud, log)
    [sent] = waiting(cloud, "work")
    assert sent["firing"]["attempt"] == 2


def test_a_run_by_hand_that_is_handed_back_serves_its_request_in_another_attempt(
    job: Sweep, cloud: Cloud, log: Lines
) -> None:
    asked = replace(TICK, manual=True, id="by-hand")
    assert ManualRequest(cloud, job, asked).take(RUN) is None
    take(cloud, asked)
    delivery.return_to_queue(body(asked), "message-1", "its worker stops", cloud, log)
    [sent] = waiting(cloud, "work")
    assert sent["firing"]["attempt"] == 2
    report = delivery.deliver(sent, "message-2", cloud, log, first=True)
    assert isinstance(report, RunReport)
    assert (report.outcome, job.ran) == ("done", 1)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("not json", "no firing, but 'not json'"),
        ({"hello": "world"}, "no firing, but {'hello': 'world'}"),
        ({"firing": {"job": "sweep"}}, "cannot be read"),
        ({"firing": {**TICK.data(), "job": "swept"}}, "did you mean 'sweep'?"),
        ({"firing": {**TICK.data(), "at": "2999-01-01T00:00:00Z"}}, "is ahead of the clock"),
        ({"requestContext": {"functionArn": "arn:aws:lambda:us-east-1:1:function:else"}}, "no firing"),
    ],
)
def test_what_nobody_can_run_is_a_dead_letter_at_once(
    given: Any, says: str, job: Sweep, cloud: Cloud, log: Lines
) -> None:
    assert delivery.deliver(given, "message-1", cloud, log) is None
    [letter] = letters(cloud, "firings-dlq")
    assert letter["dead"]["reason"] == "rejected"
    assert says in letter["dead"]["error"]
    assert letter["dead"]["event"] == given


def test_a_run_needs_the_main_thread_of_its_process(job: Sweep, cloud: Cloud, log: Lines) -> None:
    raised: list[BaseException] = []

    def deliver() -> None:
        try:
            delivery.deliver(body(), "message-1", cloud, log)
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=deliver)
    thread.start()
    thread.join()
    assert "sweep needs a process to itself" in str(raised[0])
    assert job.ran == 0


def test_an_unwatched_process_ends_itself_at_the_jobs_timeout_even_in_a_blocking_call() -> None:
    stuck = (
        "import signal, time; from shared.job import registry; from workers import delivery\n"
        "job = registry.find('crash'); type(job).timeout = 1\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\n"
        "with delivery._watchdog(job): time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", stuck], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "Timeout (0:00:01)!" in done.stderr
