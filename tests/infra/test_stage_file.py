"""The stage's file: required, validated, overridden by the environment with a notice."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra import app, stage_file
from infra.stage_file import StageError, StageFile
from shared.job import registry

ROOT = Path(__file__).parents[2]
JOBS = registry.discover({}).jobs.values()
REVERTS = "a deployment from another environment reverts it"
Write = Callable[[str], StageFile]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Read a stage named `try` from this text."""

    def read(text: str) -> StageFile:
        (tmp_path / "stages").mkdir(exist_ok=True)
        (tmp_path / "stages" / "try.toml").write_text(text)
        return stage_file.read("try", tmp_path, JOBS)

    return read


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore the environment, which a synthesis changes."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("given", [None, "", " "])
def test_no_stage_is_the_default(given: str | None) -> None:
    with pytest.raises(StageError, match=r"none is the default: add -c stage=STAGE\. .*: dev, prod$"):
        stage_file.required(given, ROOT)


@pytest.mark.parametrize("given", ["Prod", "thirteenchars", "1st", "a-b", "../prod"])
def test_a_stage_that_cannot_be_part_of_a_name_is_refused(given: str) -> None:
    with pytest.raises(StageError, match=r"up to 12 lower-case letters and digits.*: dev, prod$"):
        stage_file.required(given, ROOT)


def test_an_unknown_stage_is_refused_with_those_that_exist() -> None:
    with pytest.raises(StageError, match=r"there is no stage 'staging': create stages/staging\.toml .*: dev, prod$"):
        stage_file.read("staging", ROOT, JOBS)
    assert stage_file.required("local", ROOT) == "local"
    assert stage_file.read("local", ROOT, JOBS) == StageFile("local")


@pytest.mark.parametrize("stage", stage_file.known(ROOT))
def test_the_files_of_this_repository_are_valid(stage: str) -> None:
    assert stage_file.faults(stage_file.read(stage_file.required(stage, ROOT), ROOT, JOBS), JOBS) == []


def test_values_become_the_text_that_settings_read(write: Write) -> None:
    file = write(
        """
        production = true
        alarms = false
        secrets = ["mail-relay"]
        [settings]
        PRICING_ENABLE = false
        PRICING_MAX_RUNS_PER_TICK = 7
        BASE_URLS = ["https://shop.example", "https://two.example"]
        WEB_EVAL_EXEC_HOSTS = ["shop.example", "two.example"]
        KB_PLUGINS_DISABLED = []
        NIGHTSHIFT_ALERTS_EMAIL = "oncall@example.com"
        NIGHTSHIFT_CONSOLE_URL = "https://console.example"
        """
    )
    assert (file.production, file.dashboard, file.alarms, file.secrets) == (True, True, False, ("mail-relay",))
    assert file.variables == {
        "PRICING_ENABLE": "false",
        "PRICING_MAX_RUNS_PER_TICK": "7",
        "BASE_URLS": '["https://shop.example", "https://two.example"]',
        "WEB_EVAL_EXEC_HOSTS": "shop.example,two.example",
        "KB_PLUGINS_DISABLED": ",",
        "NIGHTSHIFT_ALERTS_EMAIL": "oncall@example.com",
        "NIGHTSHIFT_CONSOLE_URL": "https://console.example",
        "NIGHTSHIFT_PRODUCTION": "true",
    }
    assert stage_file.faults(file, JOBS) == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("= 1", "is not TOML: Invalid"),
        (f"alarms = {'1' * 5000}", "has a whole number beyond 64 bits"),
        (f"[settings]\nPRICING_CAP = 0x{'f' * 5000}", "has a whole number beyond 64 bits"),
        (f"secrets = {'[' * 5000}", "is nested too deeply"),
        ("PRICING_ENABLE = true", "'PRICING_ENABLE' is none of its keys"),
        ('alarms = "no"', "alarms must be true or false"),
        ("settings = 3", "settings must be a table"),
        ("[settings]\nPRICING_ENABLE = 1.5", "PRICING_ENABLE must be a text"),
        ("[settings]\nPRICING_ENABLE = [1]", "PRICING_ENABLE must be a text"),
        ('[settings]\nMAIL_RELAY = "smtp://me:hunter2hunter2@mail.example:587"', "MAIL_RELAY has the form of a secret"),
        ('[settings]\nLLM_URL = "https://x.example?api_key=Zm9vYmFyYmF6MTIzNDU2"', "LLM_URL has the form of a secret"),
        ('secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]', "is not the name of a secret that a job reads"),
        ('secrets = "mail-relay"', "secrets must be a list of names"),
    ],
)
def test_an_invalid_file_is_refused_by_its_place_and_shows_no_secret(write: Write, text: str, error: str) -> None:
    with pytest.raises(StageError) as refused:
        write(text)
    assert str(refused.value).startswith("stages/try.toml")
    assert error in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert "MfKQ9r8" not in str(refused.value)


def test_settings_of_no_job_and_invalid_values_are_reported_together(write: Write) -> None:
    file = write('[settings]\nPRICING_ENABEL = true\nPRICING_SCHEDULE = "soon"\nJOB_MONITORING_STREAK = 0\n')
    errors = stage_file.faults(file, JOBS)
    assert [error.partition(": ")[0] for error in errors] == ["stages/try.toml"] * 3
    assert "PRICING_ENABEL is not a setting; did you mean PRICING_ENABLE?" in errors[0]
    assert "JOB_MONITORING_STREAK='0'" in errors[1]
    assert "PRICING_SCHEDULE='soon'" in errors[2]


def test_the_environment_overrides_the_file_and_every_override_is_reported(write: Write) -> None:
    file = write('[settings]\nPRICING_ENABLE = false\nPRICING_RETRY = "none"\nDOCS_ENABLE = true\n')
    given = {"PRICING_ENABLE": "true", "PRICING_RETRY": "none", "AUTH_ENABLE": "false", "DOCS_ENABLE": "", "PATH": "/"}
    assert stage_file.overridden(file, JOBS, given) == [
        f"AUTH_ENABLE='false' of this environment is not in stages/try.toml: {REVERTS}",
        f"PRICING_ENABLE='true' of this environment overrides 'false' of stages/try.toml: {REVERTS}",
    ]


@pytest.mark.usefixtures("environment")
def test_a_synthesis_takes_the_file_and_reports_what_overrides_it(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write('dashboard = false\n[settings]\nPRICING_RETRY = "none"\nDOCS_ENABLE = true\n')
    monkeypatch.setattr(app, "ROOT", tmp_path)
    monkeypatch.setenv("DOCS_ENABLE", "false")
    deployment = app.read_deployment(app.configure("try"))
    assert (deployment.environment["PRICING_RETRY"], deployment.environment["DOCS_ENABLE"]) == ("none", "false")
    assert (deployment.dashboard, deployment.alarms, deployment.names.production) == (False, True, False)
    assert deployment.jobs["pricing"].retry.attempts == 1
    assert "DOCS_ENABLE='false' of this environment overrides 'true' of stages/try.toml" in capsys.readouterr().err


@pytest.mark.usefixtures("environment")
def test_a_synthesis_refuses_a_setting_that_no_job_reads(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("[settings]\nPRICING_ENABEL = true\n")
    monkeypatch.setattr(app, "ROOT", tmp_path)
    with pytest.raises(StageError, match="did you mean PRICING_ENABLE"):
        app.configure("try")
