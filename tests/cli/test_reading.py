"""Commands that read deploy nothing to the local cloud."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.up import own_engine
from shared.aws.cloud import Cloud
from tests.cli.conftest import Call

READING = {
    "status": (),
    "top": (),
    "runs": ("good",),
    "why": ("good",),
    "queues": (),
    "logs": ("good",),
    "dead": ("list",),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NIGHTSHIFT_LOCAL", str(tmp_path / "state"))
    monkeypatch.setattr(own_engine, "deployed_cloud", lambda: pytest.fail("it was deployed"))
    return tmp_path / "state"


@pytest.mark.parametrize("command", READING)
def test_without_a_deployment_its_command_is_said(command: str, call: Call, jobs: Path, place: Path) -> None:
    answer = call(command, *READING[command])
    assert (answer.code, answer.out) == (3, "")
    assert answer.err.endswith("nothing has been deployed to the local cloud; `python jobs.py up` starts it\n")
    assert not place.exists()


def test_kept_state_is_read_by_an_engine_alone(
    call: Call, jobs: Path, place: Path, aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "state").mkdir(parents=True)
    (place / "state" / "deployed.json").write_text("{}")
    started = []

    class Engine:
        def __init__(self, folder: Path) -> None:
            started.append(folder)

        def __enter__(self) -> Engine:
            return self

        def __exit__(self, *_: Any) -> None:
            pass

    @contextmanager
    def connect(_: Any) -> Iterator[Cloud]:
        yield aws

    monkeypatch.setattr(own_engine, "Engine", Engine)
    monkeypatch.setattr(own_engine, "connect", connect)
    assert call("status").code == 0
    assert started == [place / "state"]
