"""A synthesis refuses invalid settings, all at once, and warns of misspelt names."""

from __future__ import annotations

import pytest

from infra import app
from shared.job.setting import SettingError


def test_invalid_settings_end_the_synthesis(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app.check_settings()
    for name, value in (("JOB_MONITORING_STREAK", "0"), ("BASE_URLS", "notjson"), ("PRICING_ENABEL", "false")):
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingError) as refused:
        app.check_settings()
    assert str(refused.value).startswith("BASE_URLS='notjson': ")
    assert "JOB_MONITORING_STREAK='0': " in str(refused.value)
    assert "PRICING_ENABEL is not a setting; did you mean PRICING_ENABLE?" in capsys.readouterr().err
