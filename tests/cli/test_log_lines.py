"""Logs of a run by hand are text for people, and JSON where it is asked for."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cli.log_lines import print_text
from cli.run_report import print_report
from shared.aws.cloud import Cloud
from shared.run.report import RunReport
from tests.cli.conftest import Call

AWS = ("--aws", "--stage", "test")


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("account ")]


def test_a_run_by_hand_prints_no_json(call: Call, aws: Cloud) -> None:
    answer = call("good", *AWS)
    assert answer.code == 0
    assert not [line for line in lines_of(answer.out + answer.err) if line.startswith("{")]
    started, done = lines_of(answer.err)
    assert started[8:].startswith("  INFO     good_started  status=PROCESSING tick=")
    assert " INFO     good_complete  " in done
    assert "counted" in answer.out


@pytest.mark.parametrize("option", [("--json",), ("--log", "json")])
def test_json_is_printed_where_it_is_asked_for(option: tuple[str, ...], call: Call, aws: Cloud) -> None:
    answer = call("bad", *option, *AWS)
    entries = [json.loads(line) for line in lines_of(answer.err)]
    assert [entry["message"] for entry in entries if "message" in entry] == ["bad_started", "bad_failed"]
    assert any("_aws" in entry for entry in entries)


def test_strict_fails_a_run_that_found_something_bad() -> None:
    bad = RunReport(
        "pricing", "20260302T120000.000Z-1", "2026-03-02T12:00Z", "-", "done", False, 5, {}, "2 of 2 bad", None
    )
    assert print_report(bad, as_json=False) == 0
    assert print_report(bad, as_json=False, strict=True) == 1
    assert print_report(replace(bad, ok=True), as_json=False, strict=True) == 0


def test_control_characters_of_a_field_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    entry = {"level": "ERROR", "message": "x_failed", "timestamp": "2026-03-02T12:00:00.000Z", "error": "\x1b[2J"}
    print_text(json.dumps(entry))
    assert capsys.readouterr().err == "12:00:00  ERROR    x_failed  error=\\x1b[2J\n"
