"""The stage of a command: from --stage, the environment or .env, and never production by default."""

from __future__ import annotations

import argparse
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import options
from cli.commands import COMMANDS, up, worker
from cli.environment import replace_environment
from cli.main import command, main
from shared.aws.cloud import Cloud
from shared.job import registry
from tests.cli.conftest import Call

# Required arguments of each command with --aws.
NEEDED = {
    "good": (),
    "test": ("good",),
    "apply": ("good.test.0123abcd",),
    "pause": ("good", "--reason", "index rebuild"),
    "resume": ("good",),
    "runs": ("good",),
    "why": ("good",),
    "status": (),
    "dead list": (),
    "dead show": ("0123abcd",),
    "dead retry": ("0123abcd",),
    "dead purge": ("good",),
    "dead audit": (),
    "effects": ("good",),
    "drift": (),
    "urls": (),
    "destroy": ("--confirm", "prod"),
    "send": ("mailbox", "message.json"),
    "queues": (),
    "logs": ("good",),
    "top": (),
    "worker": ("--once",),
    "load": ("users", "users.jsonl"),
    "sums": ("messages.jsonl",),
    "token": (),
    "crontab": (),
    "pauses": (),
    "reset": ("good", "--reason", "wrong clock"),
    "console": (),
    "preflight": (),
    "run": ("20261121T220500.123Z-9f2c61aa",),
    "replay": ("20261121T220500.123Z-9f2c61aa",),
    "mute": (),
    "cost": ("good",),
}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Unset the stage, and restore environment and signal handlers after the test."""
    monkeypatch.delenv("NIGHTSHIFT_STAGE", raising=False)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with replace_environment(dict(os.environ)):
        yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def env(tmp_path: Path) -> Path:
    """A .env that names the stage `test`."""
    file = tmp_path / ".env"
    file.write_text("NIGHTSHIFT_STAGE=test\n")
    return file


def takes_aws(parser: argparse.ArgumentParser) -> bool:
    return "--aws" in parser._option_string_actions


def verbs(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The subparsers of a parser, by name."""
    return {
        name: below
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for name, below in action.choices.items()
    }


def test_every_command_with_aws_is_tested_here() -> None:
    found = set[str]()
    for word in (*COMMANDS, "good"):
        parser = command(word)[1]
        found |= {word} if takes_aws(parser) else set()
        found |= {f"{word} {name}" for name, below in verbs(parser).items() if takes_aws(below)}
    assert found == set(NEEDED)


@pytest.mark.parametrize("line", NEEDED)
@pytest.mark.parametrize("given", [(), ("--stage", ""), ("--stage", " ")])
def test_aws_without_a_stage_is_wrong_use_and_names_the_option(
    line: str, given: tuple[str, ...], call: Call, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "open_account", lambda stage: pytest.fail(f"an account was opened for {stage!r}"))
    answer = call(*line.split(), *NEEDED[line], "--aws", *given)
    assert (answer.code, answer.out) == (2, "")
    assert "--stage" in answer.err
    assert "NIGHTSHIFT_STAGE" in answer.err


def test_a_missing_stage_is_one_json_document_too(call: Call, jobs: Path) -> None:
    answer = call("status", "--aws", "--json")
    assert (answer.code, answer.json["code"]) == (2, 2)
    assert "--stage" in answer.json["error"]


def test_an_empty_stage_does_not_fall_back_to_the_environment(
    call: Call, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHIFT_STAGE", "prod")
    assert call("status", "--aws", "--stage", "").code == 2


@pytest.mark.parametrize("line", NEEDED)
def test_a_stage_without_aws_is_wrong_use(line: str, call: Call, jobs: Path) -> None:
    answer = call(*line.split(), *NEEDED[line], "--stage", "prod")
    assert (answer.code, answer.out) == (2, "")
    assert "add --aws" in answer.err


@pytest.mark.parametrize("line", ["status", "queues", "dead list", "worker"])
def test_a_stage_of_a_settings_file_is_used_and_reported_first(
    line: str, env: Path, aws: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    # The worker's own client needs the queues, which the first client of a cloud creates.
    _ = aws.sqs
    assert main([*line.split(), *NEEDED[line], "--aws"], env) == 0
    assert capsys.readouterr().err.startswith("account 123456789012, stage test, us-east-1, as arn:aws:")


def test_the_report_of_the_stage_stays_out_of_json(env: Path, aws: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["good", "--aws", "--json"], env) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["job"] == "good"
    assert "stage test" in told.err


@pytest.mark.parametrize(
    ("given", "environment", "stage"),
    [(("--stage", "one"), "two", "one"), ((), "two", "two"), ((), None, "test")],
)
def test_the_option_precedes_the_environment_which_precedes_the_file(
    given: tuple[str, ...], environment: str | None, stage: str, env: Path, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if environment:
        monkeypatch.setenv("NIGHTSHIFT_STAGE", environment)
    seen: list[str] = []

    def call(args: argparse.Namespace) -> int:
        seen.append(args.stage)
        return 0

    monkeypatch.setattr(worker, "call", call)
    assert main(["worker", "--aws", "--once", *given], env) == 0
    assert seen == [stage]


@pytest.mark.parametrize(("words", "read"), [(["up", "--once"], None), (["up", "--onc"], None), (["up"], "test")])
def test_up_once_alone_reads_no_settings_file(
    words: list[str], read: str | None, env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []

    def call(_: argparse.Namespace) -> int:
        seen.append(os.environ.get("NIGHTSHIFT_STAGE"))
        return 0

    monkeypatch.setattr(up, "call", call)
    assert main(words, env) == 0
    assert seen == [read]


def test_a_crontab_for_an_account_names_its_stage_in_every_line(
    env: Path, jobs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["crontab", "--aws"], env) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if " jobs.py " in line and line[0] != "#"]
    assert len(lines) == len([job for job in registry.jobs().values() if job.schedules()])
    assert all("--at now --log json --aws --stage test >>" in line for line in lines)


def test_a_stage_that_is_not_deployed_is_advised_to_be_deployed_by_name(call: Call, aws: Cloud) -> None:
    answer = call("good", "--aws", "--stage", "staging")
    assert answer.code == 3
    assert answer.err.rstrip().endswith("deploy it: npx cdk deploy --all -c stage=staging")
