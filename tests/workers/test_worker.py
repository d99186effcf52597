"""A worker's messages and child processes, under failures of both."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from cli.main import main
from shared.job import registry
from shared.job.retry import explicit
from shared.run.firing import Firing
from shared.run.report import RunReport
from tests.conftest import Lines
from tests.support.web_server import Held, Reply, Web
from tests.workers import performers
from tests.workers.conftest import Place, newest_child, until
from workers import delivery
from workers import worker as module
from workers.child import Perform
from workers.worker import Worker

Sent = list[tuple[dict[str, Any], int]]
AWS = ("--aws", "--stage", "test")
PRICES = Reply(200, "<p>9.90 EUR a month</p>")
TICK = Firing("crash", datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=1), by="worker")


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delay the next attempt beyond the test."""
    monkeypatch.setattr(type(registry.find("crash")), "retry", explicit(600, 600))


class Told:
    """A worker in this process, with its reports and notices."""

    def __init__(self, place: Place, perform: Perform, concurrency: int = 1, grace: float = 0) -> None:
        self.reports: list[RunReport] = []
        self.said: list[str] = []
        self.place = place
        log = Lines(place.cloud.clock)
        given = (place.cloud, log, "work", perform, concurrency, grace, self.reports.append, self.said.append)
        self.worker = Worker(*given)

    def once(self) -> int:
        return self.worker.work(once=True)


def send(place: Place, *bodies: Any) -> None:
    for body in bodies or ({"firing": TICK.data()},):
        text = body if isinstance(body, str) else json.dumps(body)
        place.cloud.sqs.send_message(QueueUrl=place.cloud.names.queue_url("work"), MessageBody=text)


@pytest.fixture
def sent(place: Place) -> Sent:
    """Firings that this process sends, and their delays."""
    found: Sent = []

    def keep(params: Any, **_: Any) -> None:
        body = json.loads(params["MessageBody"])
        if params.get("DelaySeconds"):
            found.append((body["firing"], params["DelaySeconds"]))

    place.cloud.sqs.meta.events.register("provide-client-params.sqs.SendMessage", keep)
    return found


def test_what_was_run_is_acknowledged_and_reported(place: Place) -> None:
    send(place, *[{"firing": replace(TICK, target=str(number)).data()} for number in range(3)])
    told = Told(place, performers.good)
    assert told.once() == 0
    assert [report.outcome for report in told.reports] == ["done"] * 3
    # One process runs the messages in sequence, and keeps its connections.
    assert len({report.run_id for report in told.reports}) == 1
    assert place.left("work") == 0


def test_as_many_runs_at_once_as_its_concurrency(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "at work"
    folder.mkdir()
    send(place, *[{"firing": replace(TICK, target=str(number)).data()} for number in range(3)])
    told = Told(place, partial(performers.together, str(folder), 3), concurrency=3)
    assert told.once() == 0
    assert len({report.run_id for report in told.reports}) == 3


def test_failed_runs_are_counted(place: Place) -> None:
    send(place)
    assert Told(place, performers.bad).once() == 1
    assert place.left("work") == 0


def test_a_process_that_leaves_has_made_its_attempt_and_the_next_one_is_sent(place: Place, sent: Sent) -> None:
    send(place)
    told = Told(place, performers.leave)
    assert told.once() == 1
    assert told.said == [f"crash {TICK.position}: its process left with exit code 3"]
    [(firing, delay)] = sent
    assert (firing["attempt"], firing["last_error"]) == (2, "its process left with exit code 3")
    assert 600 <= delay <= 660
    assert place.left("work") == 1


def test_a_process_that_outlives_the_jobs_timeout_is_killed(
    place: Place, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(registry.find("crash")), "timeout", 1)
    send(place)
    told = Told(place, performers.hang)
    assert told.once() == 1
    assert told.said == [f"crash {TICK.position}: killed at its timeout of 1 s"]
    assert [firing["attempt"] for firing, _ in sent] == [2]


def test_what_a_run_cannot_reach_is_an_attempt_that_failed_and_its_process_goes_on(place: Place) -> None:
    send(place, {"firing": replace(TICK, attempt=3, target="1").data()}, {"firing": replace(TICK, attempt=3).data()})
    told = Told(place, performers.told)
    assert told.once() == 2
    letters = place.letters()
    assert {letter["reason"] for letter in letters} == {"all 3 attempts used up"}
    assert all(letter["error"].endswith("first=True") for letter in letters)
    assert place.left("work") == 0


def test_a_process_with_a_thread_that_does_not_end_runs_nothing_more(place: Place) -> None:
    send(place, {"firing": TICK.data()}, {"firing": replace(TICK, target="1").data()})
    told = Told(place, performers.haunt)
    assert told.once() == 0
    assert len({report.run_id for report in told.reports}) == 2


def test_a_message_whose_run_may_be_at_work_elsewhere_stays_hidden(place: Place) -> None:
    send(place)
    told = Told(place, performers.held)
    assert told.once() == 0
    assert (told.reports, place.left("work")) == ([], 1)


def test_a_message_stays_hidden_for_as_long_as_its_run_lasts(
    place: Place, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EXTENSION_INTERVAL", 0)
    monkeypatch.setattr(module, "VISIBILITY_TIMEOUT", 2)
    monkeypatch.setattr(type(registry.find("crash")), "timeout", 4)
    send(place)
    told = Told(place, performers.hang, concurrency=2)
    # With a second idle process the message would be received again as soon as it is visible.
    assert told.once() == 1
    assert [firing["attempt"] for firing, _ in sent] == [2]


def test_a_message_that_nobody_can_run_is_a_dead_letter_and_stops_nobody(place: Place) -> None:
    send(place, "not json", {"firing": replace(TICK, job="no-such-job").data()}, {"firing": TICK.data()})
    told = Told(place, performers.good)
    assert told.once() == 0
    assert [report.job for report in told.reports] == ["crash"]
    until(lambda: {letter["job"] for letter in place.letters()} == {"unknown", "no-such-job"})
    assert place.left("work") == 0


class Flaky:
    """A queue that does not answer some of its calls."""

    def __init__(self, real: Any, call: str, failures: int) -> None:
        self.real, self.call, self.failures = real, call, failures

    def __getattr__(self, name: str) -> Any:
        if name == self.call and self.failures:
            self.failures -= 1
            return self._fail
        return getattr(self.real, name)

    def _fail(self, **_: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="https://sqs.nowhere")


def test_a_queue_that_does_not_answer_for_a_while_is_waited_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BACKOFF", 0.01)
    send(place)
    told = Told(place, performers.good)
    told.worker.sqs = Flaky(told.worker.sqs, "receive_message", 3)
    assert told.once() == 0
    assert [report.outcome for report in told.reports] == ["done"]
    # Once for all three failures, and once after the recovery.
    assert len(told.said) == 2
    assert told.said[1] == "the queue answers again"


def test_what_could_not_be_acknowledged_is_left_to_be_delivered_again(place: Place) -> None:
    send(place)
    told = Told(place, performers.good)
    told.worker.sqs = Flaky(told.worker.sqs, "delete_message", 1)
    assert told.once() == 0
    assert place.left("work") == 1
    assert "could not be acknowledged" in told.said[0]


def test_an_interruption_that_cannot_be_recorded_leaves_its_message(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://dynamodb.nowhere")

    monkeypatch.setattr(delivery, "interrupted", away)
    send(place)
    assert Told(place, performers.leave).once() == 1
    assert place.left("work") == 1
    assert place.letters() == []


Started = Callable[..., Any]


@pytest.fixture
def started(place: Place, minute: str) -> Started:
    """A worker with a tick of pricing to run."""
    place.environment["PRICING_RUN_BY"] = "worker"

    def started(*options: str) -> Any:
        assert place.jobs("pricing", "--at", minute) == 0, place.said()
        return place.python("jobs.py", "worker", "--aws", "--stage", "local", *options)

    return started


def test_a_worker_that_is_stopped_lets_its_run_end(place: Place, site: Web, started: Started) -> None:
    site.answers["/pricing"] = held = Held(PRICES)
    worker = started()
    assert held.asked.wait(40), place.said()
    # As a service manager does, which signals all processes; the worker decides.
    for process in (newest_child(worker.pid), worker.pid):
        os.kill(process, signal.SIGTERM)
    time.sleep(0.2)
    held.released.set()
    assert worker.wait(20) == 0
    assert place.outcomes("pricing") == [("done", 1)]
    assert place.left("work") == 0


@pytest.mark.parametrize(("options", "signals"), [(("--grace", "0"), 1), ((), 2)])
def test_a_stopped_worker_returns_its_run_to_the_queue(
    options: tuple[str, ...], signals: int, place: Place, site: Web, started: Started
) -> None:
    site.answers["/pricing"] = held = Held(PRICES)
    worker = started(*options)
    assert held.asked.wait(40), place.said()
    for _ in range(signals):
        worker.send_signal(signal.SIGINT)
        time.sleep(0.2)
    assert worker.wait(20) == 0
    assert place.outcomes("pricing") == [("lost", 1)]
    assert "returned to the queue" in place.said()
    held.released.set()
    assert place.jobs("worker", "--once") == 0
    assert place.outcomes("pricing") == [("lost", 1), ("done", 1)]


def test_an_idle_worker_stops_at_once(place: Place) -> None:
    worker = place.python("jobs.py", "worker", "--aws", "--stage", "local")
    until(lambda: "receiving from nightshift-local-work" in place.said())
    time.sleep(0.3)
    worker.send_signal(signal.SIGTERM)
    # It waits for messages for up to 20 s at a time.
    assert worker.wait(10) == 0


def test_a_queue_that_is_not_deployed_is_3(place: Place) -> None:
    place.cloud.sqs.delete_queue(QueueUrl=place.cloud.names.queue_url("work"))
    assert place.jobs("worker") == 3
    assert "not deployed" in place.said()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--concurrency", "0", *AWS), 2, "--concurrency must be at least 1"),
        (("--grace", "-1", *AWS), 2, "--grace at least 0 seconds"),
        (("--queue", "firings", *AWS), 2, "firings belongs to the function of dispatch; workers use work"),
        (("--queue", "firings-dlq", *AWS), 2, "workers use work"),
        ((), 3, "the local cloud is not running; `python jobs.py up` starts it"),
    ],
)
def test_invalid_options_receive_nothing(
    words: tuple[str, ...],
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("NIGHTSHIFT_LOCAL", str(tmp_path))
    assert main(["worker", *words]) == code
    assert says in capsys.readouterr().err
