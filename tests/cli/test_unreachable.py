"""Loops that only read go on when the cloud does not answer."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from cli.commands import logs, up
from cli.unreachable import read_or_report
from cli.up import first_run
from cli.up.first_run import FirstRun
from shared.aws.cloud import Cloud
from shared.job import registry

TIMEOUT = ReadTimeoutError(endpoint_url="http://127.0.0.1:4566")
REFUSED = ClientError({"Error": {"Code": "InternalError", "Message": "later"}}, "Query")


class Enough(Exception):
    """Ends an endless loop."""


class Answers:
    """Each call raises or returns the next answer."""

    def __init__(self, *answers: Any) -> None:
        self.answers = iter((*answers, Enough()))

    def __call__(self, *_: Any) -> Any:
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_an_error_is_reported_and_the_next_read_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    read = Answers(TIMEOUT, REFUSED, ["row"])
    assert [read_or_report(read, "the history") for _ in range(3)] == [[], [], ["row"]]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert all(line.startswith("the history cannot be read now, trying again: ") for line in said)


def test_up_goes_on_after_a_timeout(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"started": "2026-03-02T12:00:00.000Z", "job": "good", "outcome": "done", "ok": True, "ms": 5}
    follower = SimpleNamespace(new_rows=Answers(TIMEOUT, [row]))
    monkeypatch.setattr(up, "HistoryFollower", lambda *_: follower)
    monkeypatch.setattr(up, "POLL", 0)
    started: Any = SimpleNamespace(cloud=SimpleNamespace(clock=SimpleNamespace(now=lambda: None)), jobs={})
    with pytest.raises(Enough):
        up._stay(started, Path(".local"))
    assert "12:00:00  good: done in 5 ms" in capsys.readouterr().out


def test_a_followed_log_goes_on_after_a_timeout(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logs, "POLL", 0)
    monkeypatch.setattr(logs, "read", Answers(TIMEOUT, [{"timestamp": 1, "message": "hello"}]))
    with pytest.raises(Enough):
        logs._follow(cloud, "good", 0, None)
    assert capsys.readouterr().out == "hello\n"


@pytest.mark.parametrize(("patience", "reads"), [(0.0, 1), (3600.0, 50)])
def test_the_wait_for_first_runs_is_as_patient_as_start_up_was_slow(
    patience: float, reads: int, cloud: Cloud, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(first_run, "PATIENCE", 0.0)
    monkeypatch.setattr(first_run, "REMINDER", 0.0)
    monkeypatch.setattr(first_run, "POLL", 0)
    monkeypatch.setattr(first_run, "GROUP", "demo")
    follower = SimpleNamespace(new_rows=Answers(*([] for _ in range(reads))))
    monkeypatch.setattr(first_run, "HistoryFollower", lambda *_: follower)
    ticker: Any = None
    waiting = FirstRun(cloud, ticker, {"good": registry.find("good")}, said.append, patience=patience)
    waiting.since = cloud.clock.now()
    if patience:
        with pytest.raises(Enough):
            waiting.wait()
        assert said == ["waiting for good"] * reads
    else:
        assert waiting.wait() is False
