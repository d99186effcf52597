"""A broken module or setting is reported, and the other jobs go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli import declared_jobs, registered_jobs
from cli.commands import up
from cli.exit_codes import CommandError
from shared.aws.cloud import Cloud
from shared.job import registry
from shared.job.validation import DeclarationError
from tests.cli.conftest import HEAD, Call

AWS = ("--aws", "--stage", "test")
BROKEN = {
    "syntax": ("class Broken(Job)\n    pass\n", "functions/demo/broken.py:9: SyntaxError"),
    "import": ("import no_such_package\n", "functions/demo/broken.py:9: ModuleNotFoundError"),
    "name": ("\n\nundefined\n", "functions/demo/broken.py:11: NameError"),
    "error": ("raise RuntimeError('at import')\n", "functions/demo/broken.py:9: RuntimeError: at import"),
    "exit": ("raise SystemExit(3)\n", "functions/demo/broken.py:9: SystemExit: 3"),
    "schedule": ("cron('61 * * * *')\n", "functions/demo/broken.py:9: minute '61'"),
    "rule": ('class Broken(Job):\n    """Do."""\n    cap = 0\n', "functions/demo/broken.py:9 Broken: "),
}


@pytest.fixture(autouse=True)
def surroundings(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    declared_jobs._report.cache_clear()
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")


@pytest.mark.parametrize(
    "words",
    [
        ("crontab",),
        ("status", *AWS),
        ("why", "good", *AWS),
        ("runs", "good", *AWS),
        ("pause", "good", "--reason", "x", *AWS),
        ("dead", "list", *AWS),
        ("top", *AWS),
        ("good", "--at", "now", *AWS),
        ("good", "--dry-run", *AWS),
    ],
    ids=lambda words: words[0],
)
def test_commands_for_other_jobs_go_on(words: tuple[str, ...], jobs: Path, call: Call) -> None:
    text, place = BROKEN["import"]
    (jobs / "demo" / "broken.py").write_text(HEAD + text)
    answer = call(*words)
    assert answer.code == 0, answer.err
    # `dead list` reads no declarations.
    assert answer.err.count(place) == (0 if words[0] == "dead" else 1)
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(("text", "place"), BROKEN.values(), ids=BROKEN)
def test_its_own_job_is_refused_with_the_place(text: str, place: str, jobs: Path, call: Call) -> None:
    (jobs / "demo" / "broken.py").write_text(HEAD + text)
    listed = call("list")
    assert listed.code == 0
    assert listed.err.count(place) == 1
    assert "Traceback" not in listed.err
    answer = call("broken", "--at", "now", *AWS)
    assert answer.code == 2
    assert place in answer.err
    with pytest.raises(DeclarationError, match="broken"):
        registry.jobs()


def test_an_invalid_setting_stops_its_job_and_no_other(jobs: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOD_STEP", "0")
    monkeypatch.setenv("GOOD_SCHEDULE", "now and then")
    assert call("sharded", "--target", "0", *AWS).code == 0
    assert call("pause", "good", "--reason", "x", *AWS).code == 0
    answer = call("list")
    assert (answer.code, answer.err) == (0, "")
    for words in (("--dry-run",), ("--at", "now")):
        refused = call("good", *words, *AWS)
        assert refused.code == 2
        assert "GOOD_STEP='0': must be a whole number of at least 1" in refused.err
        assert "GOOD_SCHEDULE='now and then': " in refused.err


def test_invalid_settings_and_misspelt_names_are_reported_once(
    jobs: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOD_STEP", "0")
    monkeypatch.setenv("GOOD_STEPS", "2")
    answer = call("status", *AWS)
    assert answer.code == 0
    assert answer.err.count("GOOD_STEP='0'") == 1
    assert "GOOD_STEPS is not a setting; did you mean GOOD_STEP?" in answer.err


def test_the_local_cloud_does_not_start_with_an_invalid_setting(
    jobs: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOD_ENABLE", "maybe")
    monkeypatch.setattr(up, "_first_run", lambda *_: pytest.fail("it was started"))
    answer = call("up", "--once")
    assert answer.code == 2
    assert "GOOD_ENABLE='maybe': must be true or false" in answer.err
    with pytest.raises(CommandError):
        registered_jobs.require_valid_settings(registered_jobs.jobs().values())
