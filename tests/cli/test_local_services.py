"""Settings that lead to services outside do not reach jobs of the local cloud."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

import pytest

from cli import options
from cli.commands import crontab
from cli.commands.crontab import lines
from cli.environment import external
from shared.job import registry
from tests.cli.conftest import Call

OUTSIDE = {
    "MAIL_RELAY": "smtps://relay.example",
    "DNS_SERVERS": "192.0.2.1:53",
    "ALERT_WEBHOOK_URL": "https://chat.example/hook",
    "HC_PRICING_URL": "https://hc.example/uuid",
    "LLM_URL": "https://llm.example/v1",
    "CELERY_BROKER_URL": "redis://redis.example/0",
    "RQ_REDIS_URL": "redis://localhost:6379/0",
}
KEPT = {"ALERT_EMAILS": "ops@shop.example", "BASE_URLS": "[]", "HC_DOCS_URL": "http://127.0.0.1:8000/ping/uuid"}


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


@pytest.mark.parametrize("url", ["http://localhost:11434/v1", "http://127.0.0.1:11434/v1", "http://[::1]/v1"])
def test_a_model_of_this_machine_is_used(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_URL", url)
    assert "LLM_URL" not in external(os.environ)


def test_a_relay_of_this_machine_is_not_used() -> None:
    assert "MAIL_RELAY" in external({"MAIL_RELAY": "smtp+plain://127.0.0.1:25"})


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
