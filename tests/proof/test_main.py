"""The command that proves jobs: bad input, points of other code, exit codes."""

from __future__ import annotations

import pytest

from proof.__main__ import main
from proof.crash import prover
from proof.crash.prover import Prover
from proof.crash.verdict import Verdict


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "there is no job 'nothing'"),
        (["usage", "--point", "3:melts"], "is no crash point; write CALL:KIND"),
        (["usage", "--point", "0:freezes"], "is no crash point"),
        (["usage", "--point", "2:freezes+x"], "is no crash point"),
        (["--point", "2:freezes"], "--point takes exactly one JOB"),
        (["--write", "--sample", "9"], "leave out --sample"),
        (["usage", "--point", "2:freezes@0123"], "the crash point is of code 0123, and that of usage is"),
        (["usage", "--point", "99:freezes"], "usage makes 5 calls, and call 99 is none of them"),
    ],
)
def test_bad_input_is_an_error_that_says_why(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_a_sample_is_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--sample", "0"])
    assert "'0' is no positive number" in capsys.readouterr().err


def test_a_violation_is_printed_with_its_command_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Prover, "judge", lambda *_: Verdict(lost=["a mail"]))
    assert main(["usage", "--sample", "9", "--processes", "1"]) == 1
    said = capsys.readouterr().out
    assert "lost: a mail" in said
    assert "\n  python -m proof usage --point " in said


def test_a_point_prints_the_calls_that_its_faults_meet(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", "--point", "2:dies_after+1:dies_before"]) == 0
    assert capsys.readouterr().out.startswith("usage, 2:dies_after+1:dies_before: dynamodb:")


def test_a_job_that_fails_without_a_fault_proves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prover, "FAIL_ON_PURPOSE", set())
    assert main(["crash", "--sample", "9", "--processes", "1"]) == 1
    assert "crash fails without a fault, so its crash points would prove nothing: " in capsys.readouterr().err
