"""Certificates: described with their counts, and as those of other code where it has changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli import certificates
from functions.flags.usage import Usage
from infra.certificates import FAULTS

FOUND: dict[str, Any] = {
    **dict.fromkeys(FAULTS, 0),
    "calls": 5,
    "points": 1045,
    "pairs": 0,
    "seed": 1,
    "uncertain": 2,
    "repeated": 0,
    "commit": "abc",
}


def stored(folder: Path, **changes: Any) -> Path:
    file = folder / "certificates.json"
    code = certificates.code_digest(Usage())
    file.write_text(json.dumps({"usage": {**FOUND, "code": code, **changes}}))
    return file


def test_a_job_that_nobody_tried_says_so(tmp_path: Path) -> None:
    proof = certificates.proof_of(Usage(), tmp_path / "none.json")
    assert (proof["current"], proof["holds"]) == (False, False)
    assert proof["text"] == "No certificate: nobody has tried this job; `make prove JOB=usage ARGS=--write` does."


def test_a_certificate_has_its_counts(tmp_path: Path) -> None:
    proof = certificates.proof_of(Usage(), stored(tmp_path))
    assert (proof["current"], proof["holds"]) == (True, True)
    assert proof["text"] == "1,045 crash points at 5 calls, commit abc: no violation; 2 uncertain, 0 repeated."


def test_one_of_other_code_says_so(tmp_path: Path) -> None:
    proof = certificates.proof_of(Usage(), stored(tmp_path, code="0123"))
    assert proof["current"] is False
    assert proof["text"].startswith("The certificate is of other code than this: 1,045 crash points")


def test_violations_are_counted_by_name(tmp_path: Path) -> None:
    proof = certificates.proof_of(Usage(), stored(tmp_path, twice=3, pairs=20))
    assert proof["holds"] is False
    assert "and 20 pairs (seed 1), commit abc: 3 twice;" in proof["text"]


@pytest.mark.parametrize("path", ["shared/clock.py", "functions/flags/usage.py", "functions/operations/reconciler.py"])
def test_the_code_of_a_job_is_core_group_and_watchers(tmp_path: Path, path: str) -> None:
    for name in ("shared/clock.py", "functions/flags/usage.py", "functions/operations/reconciler.py", "local/own.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before\n")
    before = certificates.code_digest(Usage(), tmp_path)
    (tmp_path / "local/own.py").write_text("after\n")
    assert certificates.code_digest(Usage(), tmp_path) == before
    (tmp_path / path).write_text("after\n")
    assert certificates.code_digest(Usage(), tmp_path) != before
