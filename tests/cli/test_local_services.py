"""Settings that lead to services outside do not reach jobs of the local cloud."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

import pytest

from cli import options
from cli.commands import crontab
from cli.commands.crontab import lines
from shared.job import registry
from tests.cli.conftest import Call

OUTSIDE = {
    "MAIL_RELAY": "smtps://relay.example",
    "DNS_SERVERS": "192.0.2.1:53",
    "ALERT_WEBHOOK_URL": "https://chat.example/hook",
    "HC_PRICING_URL": "https://hc.example/uuid",
}
KEPT = {"ALERT_EMAILS": "ops@shop.example", "BASE_URLS": "[]", "LLM_URL": "https://llm.example/v1"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (OUTSIDE | KEPT).items():
        monkeypatch.setenv(name, value)


def test_they_are_hidden_from_local_jobs_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    with options.local_services(Namespace(real_services=False)):
        assert not OUTSIDE.keys() & os.environ.keys()
        assert KEPT.items() <= os.environ.items()
    assert OUTSIDE.items() <= os.environ.items()
    said = capsys.readouterr().err
    assert all(name in said for name in (*OUTSIDE, "--real-services"))


def test_a_flag_uses_them(capsys: pytest.CaptureFixture[str]) -> None:
    with options.local_services(Namespace(real_services=True)):
        assert OUTSIDE.items() <= os.environ.items()
    assert capsys.readouterr().err == ""


def test_without_any_nothing_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in OUTSIDE:
        monkeypatch.setenv(name, "")
    with options.local_services(Namespace()):
        pass
    assert capsys.readouterr().err == ""


def test_a_crontab_for_one_machine_keeps_the_flag(jobs: Path, call: Call) -> None:
    answer = call("crontab", "--real-services")
    assert all(" --real-services >> " in line for line in answer.out.splitlines() if " && " in line)
    assert "--real-services" not in "\n".join(lines(registry.jobs().values()))
    assert crontab.LOG in answer.out
