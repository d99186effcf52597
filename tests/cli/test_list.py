"""`list` and `describe` show the values in force in this environment, and where each comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Call

OVERRIDDEN = {
    "GOOD_MAX_RUNS_PER_TICK": "7",
    "GOOD_SCHEDULE": "5 * * * *",
    "GOOD_RETRY": "none",
    "GOOD_ENABLE": "false",
}


@pytest.fixture
def overridden(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in OVERRIDDEN.items():
        monkeypatch.setenv(name, text)


@pytest.mark.usefixtures("overridden")
def test_list_has_the_values_in_force_with_their_origins(call: Call) -> None:
    good = next(job for job in call("list", "--json").json if job["name"] == "good")
    assert (good["cap"], good["schedule"], good["retry"], good["enabled"]) == (7, "5 * * * *", "none", False)
    assert good["origins"] == {
        "timeout_s": "declared",
        "memory_mb": "declared",
        "schedule": "GOOD_SCHEDULE",
        "retry": "GOOD_RETRY",
        "retention": "declared",
        "enabled": "GOOD_ENABLE",
        "cap": "GOOD_MAX_RUNS_PER_TICK",
        "run_by": "declared",
    }
    assert good["faults"] == []


@pytest.mark.usefixtures("overridden")
def test_a_description_names_the_variable_of_each_overridden_fact(call: Call) -> None:
    facts = call("describe", "good", "--json").json["facts"]
    assert facts["items per run"] == "at most 7 (set by GOOD_MAX_RUNS_PER_TICK)"
    assert facts["fires (UTC)"] == "5 * * * * (set by GOOD_SCHEDULE)"
    assert facts["enabled"] == "no (set by GOOD_ENABLE)"
    assert facts["history"] == "1 day, at most 1,000; failed runs 7 days, at most 5,000"


def test_a_setting_that_a_rule_refuses_is_reported_and_its_job_is_not_run(
    call: Call, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOD_RETRY", "fixed 2000s, 3 attempts")
    listed = call("list", "--json")
    (fault,) = next(job["faults"] for job in listed.json if job["name"] == "good")
    assert "retry waits longer than the 900 s" in fault
    assert fault in listed.err
    answer = call("good")
    assert (answer.code, answer.out) == (2, "")
    assert fault in answer.err
