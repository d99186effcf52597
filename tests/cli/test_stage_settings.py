"""`crontab --aws --stage S` reads the file of the stage, as a synthesis does."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli import stage_settings
from tests.cli.conftest import Call


def test_a_crontab_for_a_stage_has_the_schedules_of_its_file(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "try.toml").write_text(
        '[settings]\nPRICING_SCHEDULE = "7 3 * * 1"\nDOCS_SCHEDULE = "8 4 * * 2"\n'
    )
    monkeypatch.setattr(stage_settings, "ROOT", tmp_path)
    monkeypatch.setenv("DOCS_SCHEDULE", "9 5 * * 3")
    answer = call("crontab", "--aws", "--stage", "try")
    lines = [line for line in answer.out.splitlines() if " jobs.py " in line]
    assert [line.partition(" cd ")[0] for line in lines if " jobs.py pricing " in line] == ["7 3 * * 1"]
    assert [line.partition(" cd ")[0] for line in lines if " jobs.py docs " in line] == ["9 5 * * 3"]
    assert "DOCS_SCHEDULE='9 5 * * 3' of this environment overrides '8 4 * * 2' of stages/try.toml" in answer.err
    assert "7 3 * * 1 " not in call("crontab").out


def test_an_invalid_file_of_the_stage_is_wrong_use(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "try.toml").write_text("alarms = 3")
    monkeypatch.setattr(stage_settings, "ROOT", tmp_path)
    answer = call("crontab", "--aws", "--stage", "try")
    assert (answer.code, answer.out) == (2, "")
    assert "stages/try.toml: alarms must be true or false" in answer.err


def test_a_stage_without_a_file_uses_this_environment_and_says_so(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_settings, "ROOT", tmp_path)
    answer = call("crontab", "--aws", "--stage", "try")
    assert answer.code == 0
    assert "there is no stages/try.toml" in answer.err
