"""A synthesis refuses invalid settings, all at once, and warns of misspelt names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from infra import app
from infra.job import platform_environment
from shared.aws.names import Names
from shared.job.setting import SettingError


def test_invalid_settings_end_the_synthesis(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app.check_settings()
    for name, value in (("JOB_MONITORING_STREAK", "0"), ("BASE_URLS", "notjson"), ("PRICING_ENABEL", "false")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NIGHTSHIFT_CONSOLE_URL", "console.example")
    with pytest.raises(SettingError) as refused:
        app.check_settings()
    assert str(refused.value).startswith("BASE_URLS='notjson': ")
    assert "JOB_MONITORING_STREAK='0': " in str(refused.value)
    assert "NIGHTSHIFT_CONSOLE_URL='console.example': must be a URL" in str(refused.value)
    assert "PRICING_ENABEL is not a setting; did you mean PRICING_ENABLE?" in capsys.readouterr().err


def test_every_function_gets_the_settings_of_the_stage() -> None:
    given = {"NIGHTSHIFT_CONSOLE_URL": "https://console.example", "NIGHTSHIFT_LEASE_MARGIN": "20", "PATH": "/bin"}
    deployment: Any = SimpleNamespace(
        names=Names("test", "123456789012", "us-east-1"), environment=given, account=SimpleNamespace(variables={})
    )
    variables = platform_environment(deployment)
    assert variables["NIGHTSHIFT_CONSOLE_URL"] == "https://console.example"
    assert variables["NIGHTSHIFT_LEASE_MARGIN"] == "20"
    assert "PATH" not in variables
    deployment.environment = {}
    assert "NIGHTSHIFT_CONSOLE_URL" not in platform_environment(deployment)
