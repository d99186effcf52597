"""The Lambda handler, called as Lambda calls it."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.job import registry, retry, retry_policies
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome
from shared.job.overrides import configured
from shared.job.retry import RetryPolicy
from shared.run.context import RunContext
from tests.conftest import Lines, letters


class Sweep(Job):
    """Sweep what is due."""

    name = "sweep"
    idempotency = natural("a swept row is not found again")

    def work(self, run: RunContext) -> Outcome:
        return Done({"swept": 1})


class Context:
    aws_request_id = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@pytest.fixture
def entry(cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setenv("NIGHTSHIFT_JOB", "demo/sweep")
    monkeypatch.setattr(registry, "load", lambda _: Sweep())
    sys.modules.pop("shared.handler", None)
    module: Any = importlib.import_module("shared.handler")
    module.CLOUD, module.LOG = cloud, log
    yield module
    sys.modules.pop("shared.handler", None)


def test_a_tick_is_run_and_its_report_returned(entry: Any) -> None:
    answer = entry.handle({"source": "aws.events", "time": "2026-03-02T12:00:00Z"}, Context())
    assert (answer["job"], answer["outcome"], answer["counts"]) == ("sweep", "done", {"swept": 1})


def test_a_malformed_event_is_a_dead_letter_with_the_event_and_touches_no_tick(entry: Any, cloud: Cloud) -> None:
    answer = entry.handle({"source": "somewhere"}, Context())
    assert answer["outcome"] == "rejected"
    [letter] = letters(cloud, "firings-dlq")
    assert (letter["dead"]["job"], letter["dead"]["reason"]) == ("sweep", "malformed event")
    assert letter["dead"]["event"] == {"source": "somewhere"}
    assert entry.handle({"source": "aws.events", "time": "2026-03-02T12:00:00Z"}, Context())["outcome"] == "done"


@pytest.mark.parametrize("daemon", [False, True])
def test_a_process_with_a_live_thread_exits(daemon: bool, entry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(entry, "JOIN_SECONDS", 0.05)
    monkeypatch.setattr(os, "_exit", left.append)
    release = threading.Event()
    lingering = threading.Thread(target=release.wait, daemon=daemon)
    lingering.start()
    entry.handle({"source": "aws.events", "time": "2026-03-02T12:00:00Z"}, Context())
    release.set()
    lingering.join()
    assert left == [0]
    entry.handle({"source": "aws.events", "time": "2026-03-02T12:01:00Z"}, Context())
    assert left == [0]


def test_a_thread_that_ends_is_joined_and_the_process_stays(entry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    release = threading.Event()
    lingering = threading.Thread(target=release.wait, daemon=True)
    lingering.start()
    join = threading.Thread.join

    def joined(thread: threading.Thread, timeout: float | None = None) -> None:
        release.set()
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", joined)
    entry.handle({"source": "aws.events", "time": "2026-03-02T12:00:00Z"}, Context())
    assert (left, lingering.is_alive()) == ([], False)


def test_a_process_with_a_live_thread_of_a_batch_exits(entry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    monkeypatch.setattr(entry, "JOIN_SECONDS", 0.05)
    release = threading.Event()

    def batch(*_: Any) -> list[str]:
        threading.Thread(target=release.wait, daemon=True).start()
        return []

    monkeypatch.setattr(entry.run_batch, "run_batch", batch)
    assert entry.handle({"Records": []}, Context()) == {"batchItemFailures": []}
    release.set()
    assert left == [0]


@pytest.mark.parametrize(
    ("value", "retry", "error"),
    [
        ("fixed 9s, 2 attempts", retry.fixed(delay=9, retries=1), ""),
        ("now and then", retry_policies.DEFAULT, "SWEEP_RETRY='now and then': use 'exponential"),
    ],
)
def test_settings_come_from_the_environment_and_invalid_ones_are_replaced_by_declared_values(
    value: str,
    retry: RetryPolicy,
    error: str,
    entry: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SWEEP_RETRY", value)
    monkeypatch.setattr(registry, "load", lambda _, environment=os.environ: configured(Sweep, environment)())
    reloaded = importlib.reload(entry)
    assert reloaded.JOB.retry == retry
    assert error in capsys.readouterr().out
    assert reloaded.SETTING_ERROR.startswith(error)
    assert bool(reloaded.SETTING_ERROR) == bool(error)
