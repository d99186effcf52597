"""Fixtures: a group of test jobs, and the command line called in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import functions
from cli.main import main
from shared.aws.cloud import Cloud
from tests.support import json_documents
from tests.support.simulated_aws import SimulatedAws

HEAD = """
from shared.job import settings
from shared.archetypes.consumer import Consumer
from shared.job.idempotency import natural
from shared.job.definition import Job
from shared.job.outcome import Done, Reason, Rejected, Skipped, Snoozed
from shared.aws.permissions import read_rows
from shared.job.schedule import cron, daily, every, hourly
"""
JOBS = {
    "good": '''
class Good(Job):
    """Count to three."""
    schedule = every(minutes=15)
    idempotency = natural("counting again counts the same")
    settings = (settings.count("GOOD_STEP", 1, "How far one step goes"),)
    def work(self, run):
        run.write_artifact({"kind": "demo", "ok": True, "status": 200, "ms": 1})
        return Done({"counted": 3})
    def plan(self, run):
        return [f"count to three at {run.at:%H:%M}"]
''',
    "bad": '''
class Bad(Job):
    """Fail, always."""
    schedule = hourly(minute=7)
    idempotency = natural("nothing is ever done")
    settings = (settings.BASE_URLS,)
    def work(self, run):
        raise RuntimeError("the roof is on fire")
    def plan(self, run):
        row = {"pk": {"S": "a"}, "sk": {"S": "b"}}
        run.cloud.dynamodb.put_item(TableName=run.cloud.names.table("state"), Item=row)
        return ["write in secret"]
''',
    "costly": '''
class Costly(Job):
    """Cost a lot."""
    schedule = daily(hour=3, minute=10, zone="Europe/Vienna")
    costly = True
    idempotency = natural("it never gets far")
    settings = (settings.BASE_URLS,)
    def work(self, run):
        return Done()
''',
    "sharded": '''
class Sharded(Job):
    """Work in two parts."""
    schedule = cron("30 4 * * 1-5")
    shards = 2
    idempotency = natural("it works on nothing")
    def work(self, run):
        return Done({"shard": int(run.target)})
''',
    "mailbox": '''
class Mailbox(Consumer):
    """Take letters."""
    queue = "demo:letters"
    idempotency = natural("letters are only looked at")
    def handle(self, run, message):
        if message.body == "bad":
            raise RuntimeError("cannot read it")
''',
}


@dataclass(frozen=True)
class Answer:
    """Exit code and output of one command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Call = Callable[..., Answer]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """`call("list", "--json")`."""
    # The layout of tables depends on the width.
    monkeypatch.setenv("COLUMNS", "120")

    def call(*words: str) -> Answer:
        capsys.readouterr()
        code = main(words)
        captured = capsys.readouterr()
        # A document that a test asks for has the declared shape.
        if "--json" in words:
            assert json_documents.faults(captured.out, words) == []
        return Answer(code, captured.out, captured.err)

    return call


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make JOBS the only jobs; yields the folder that replaces functions/."""
    folder = tmp_path / "functions"
    (folder / "demo").mkdir(parents=True)
    for name, text in JOBS.items():
        (folder / "demo" / f"{name}.py").write_text(HEAD + text)
    monkeypatch.setattr(functions, "__path__", [str(folder)])
    before = {name: module for name, module in sys.modules.items() if name.startswith("functions.")}
    for name in before:
        monkeypatch.delitem(sys.modules, name)
    yield folder
    for name in [name for name in sys.modules if name.startswith("functions.")]:
        del sys.modules[name]


@pytest.fixture
def aws(cloud: Cloud, jobs: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """An account with the stage `test`, for `--aws --stage test`, with the clock of this machine."""
    from shared.clock import Clock

    monkeypatch.delenv("NIGHTSHIFT_STAGE", raising=False)
    simulated = SimulatedAws.of(cloud)
    assert simulated
    # Commands ask STS for the account, by a client of their own.
    simulated.start_moto()
    return Cloud(cloud.names, Clock(), cloud.environment)
