"""Heartbeats: pings to an external monitor."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome, Reason, Rejected, Skipped, Snoozed
from shared.job.retry import NO_RETRY
from shared.observability.heartbeat import ping_url
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import NOON, Calls, Lines, VirtualClock
from tests.support.web_server import Reply, Web, drip, hang, reset, slow_headers

URL = "HC_SWEEP_URL"
TICK = Firing("sweep", NOON, retried=False)


class Sweep(Job):
    """Sweep what is due."""

    name = "sweep"
    env = "SWEEP"
    timeout = 60
    retry = NO_RETRY
    idempotency = natural("a swept row is not found again")

    def __init__(self, work: Callable[[RunContext], Outcome] = lambda _: Done()) -> None:
        self.body = work

    def work(self, run: RunContext) -> Outcome:
        return self.body(run)


@pytest.fixture
def web(cloud: Cloud) -> Iterator[Web]:
    with Web() as made:
        for path in ("/ping", "/ping/start", "/ping/fail"):
            made.answers[path] = Reply()
        cloud.environment = {URL: f"{made.url}/ping"}
        yield made


Go = Callable[..., RunReport]


@pytest.fixture
def go(cloud: Cloud, log: Lines) -> Go:
    def go(work: Callable[[RunContext], Outcome] = lambda _: Done(), firing: Firing = TICK) -> RunReport:
        return run(Sweep(work), firing, cloud, log)

    return go


def raising(error: BaseException) -> Callable[[RunContext], Outcome]:
    def work(_: RunContext) -> Outcome:
        raise error

    return work


def test_a_good_run_pings_when_it_starts_and_when_it_ends(go: Go, web: Web) -> None:
    seen: list[list[str]] = []

    def work(_: RunContext) -> Outcome:
        until = time.monotonic() + 5
        while not web.asked and time.monotonic() < until:
            time.sleep(0.005)
        seen.append(web.paths())
        return Done()

    go(work)
    assert seen == [["/ping/start"]]
    assert web.paths() == ["/ping/start", "/ping"]
    assert {request.method for request in web.asked} == {"GET"}


@pytest.mark.parametrize(
    ("work", "end"),
    [
        (raising(ValueError("x")), "/ping/fail"),
        (raising(Rejected("x")), "/ping/fail"),
        (lambda _: Done(ok=False, note="the site is down"), "/ping/fail"),
        (lambda _: Snoozed(60), "/ping"),
        (lambda _: Skipped(Reason.RATE_LIMITED), "/ping"),
        (lambda _: Done(checkpoint={"next": 1}), "/ping"),
    ],
)
def test_the_last_ping_depends_on_the_outcome(
    go: Go, web: Web, work: Callable[[RunContext], Outcome], end: str
) -> None:
    go(work)
    assert web.paths() == ["/ping/start", end]


def test_a_run_that_lost_its_lease_failed(go: Go, web: Web, clock: VirtualClock, cloud: Cloud, log: Lines) -> None:
    def work(_: RunContext) -> Outcome:
        clock.move(minutes=5)
        cloud.environment = {}
        run(Sweep(), replace(TICK, at=clock.now()), cloud, log)
        return Done()

    assert go(work).outcome == "lost"
    assert web.paths() == ["/ping/start", "/ping/fail"]


def test_a_firing_that_is_not_run_sends_no_ping(go: Go, web: Web, cloud: Cloud) -> None:
    cloud.environment = {**cloud.environment, "SWEEP_ENABLE": "false"}
    assert go().outcome == "disabled"
    cloud.environment = {URL: f"{web.url}/ping"}

    def work(_: RunContext) -> Outcome:
        before = len(web.asked)
        assert go(firing=replace(TICK, at=NOON.replace(minute=1))).outcome == "locked"
        assert len(web.asked) <= before + 1
        return Done()

    go(work)
    assert go().outcome == "deduplicated"
    assert web.paths() == ["/ping/start", "/ping"]


def test_an_invalid_setting_is_a_failure(go: Go, web: Web, cloud: Cloud) -> None:
    cloud.environment = {**cloud.environment, "SWEEP_ENABLE": "perhaps"}
    assert go().outcome == "failed"
    assert web.paths() == ["/ping/fail"]


def test_a_receiver_that_sends_single_bytes_leaves_no_thread(go: Go, web: Web) -> None:
    web.answers["/ping/start"] = web.answers["/ping"] = slow_headers
    assert go().outcome == "done"
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}


def test_the_last_ping_is_sent_although_the_first_one_hangs(go: Go, web: Web) -> None:
    web.answers["/ping/start"] = slow_headers
    assert go().outcome == "done"
    assert web.paths() == ["/ping/start", "/ping"]


@pytest.mark.moto
def test_a_run_that_cannot_be_recorded_pings_its_end(go: Go, web: Web, cloud: Cloud) -> None:
    def work(_: RunContext) -> Outcome:
        table = cloud.names.table("state")
        cloud.dynamodb.delete_table(TableName=table)
        return Done()

    with pytest.raises(cloud.dynamodb.exceptions.ResourceNotFoundException):
        go(work)
    assert web.paths() == ["/ping/start", "/ping/fail"]
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}


def test_a_misspelt_runtime_is_a_failure(go: Go, web: Web, cloud: Cloud) -> None:
    cloud.environment = {**cloud.environment, "SWEEP_RUN_BY": "celerie"}
    report = go()
    assert report.outcome == "failed"
    assert "SWEEP_RUN_BY" in report.note
    assert web.paths() == ["/ping/fail"]


@pytest.mark.parametrize("behaviour", [hang, drip, slow_headers, reset])
def test_a_broken_monitor_costs_two_seconds_at_most_and_fails_nothing(
    go: Go, web: Web, behaviour: Any, log: Lines
) -> None:
    web.answers["/ping/start"] = web.answers["/ping"] = behaviour
    started = time.monotonic()
    assert go().outcome == "done"
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("url", ["nonsense", "http://nowhere.invalid/ping", "ftp://127.0.0.1/", "https://[::1"])
def test_an_invalid_url_fails_nothing(go: Go, cloud: Cloud, url: str, log: Lines) -> None:
    cloud.environment = {URL: url}
    assert go().outcome == "done"


def test_a_failed_ping_is_logged_without_its_url(go: Go, web: Web, cloud: Cloud, log: Lines) -> None:
    del web.answers["/ping/start"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        go()
        cloud.environment = {URL: f"http://127.0.0.1:{taken.getsockname()[1]}/2b7e1516"}
        go(firing=replace(TICK, at=NOON.replace(minute=1)))
    told = log.said("heartbeat_failed")
    assert [(line["ping"], line["error"]) for line in told] == [
        ("start", "status 404"),
        ("start", "ConnectionRefusedError"),
        ("ok", "ConnectionRefusedError"),
    ]
    assert "2b7e1516" not in str(log.lines)


def test_a_consumer_has_none_and_every_other_job_has_the_setting() -> None:
    class Mailbox(Sweep):
        """Read mail."""

        name = "mailbox"
        env = "MAILBOX"
        queue = "demo:letters"

    assert URL in {setting.name for setting in Sweep.all_settings()}
    assert not [setting for setting in Mailbox.all_settings() if setting.name.startswith("HC_")]


def test_a_job_without_a_heartbeat_makes_no_call_and_imports_nothing_for_it(go: Go, cloud: Cloud) -> None:
    calls = Calls(cloud)
    go()
    assert calls.made == ["dynamodb:UpdateItem"] * 3
    fresh = (
        "import sys, shared.run.run; "
        "print('shared.observability.heartbeat' in sys.modules, 'urllib3.poolmanager' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", fresh], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("url", "how", "address"),
    [
        ("https://hc-ping.com/0a1b", "start", "https://hc-ping.com/0a1b/start"),
        ("https://hc-ping.com/0a1b/", "", "https://hc-ping.com/0a1b"),
        ("https://hc-ping.com/key/slug?create=1", "fail", "https://hc-ping.com/key/slug/fail?create=1"),
    ],
)
def test_the_url_of_a_ping_is_that_of_healthchecks(url: str, how: str, address: str) -> None:
    assert ping_url(url, how) == address
