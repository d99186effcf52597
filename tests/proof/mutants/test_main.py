"""`make mutants` judges mutants of a module by its tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def mutants(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Without coverage and workers of this process; the tests of the module run in copies of that one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    command = [sys.executable, "-m", "proof.mutants", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)


@pytest.mark.timeout(600)
def test_a_sample_of_mutants_is_killed() -> None:
    done = mutants("shared.store.keys", "--sample", "2", "--seed", "1", "--processes", "1")
    assert done.stdout.splitlines()[-1] == "2 mutants, 0 survived", done.stdout + done.stderr
    assert done.returncode == 0


def test_the_mutants_of_a_module_are_listed_with_their_lines() -> None:
    done = mutants("shared.run.claim", "--list")
    assert 'if "manual" in item' not in done.stdout
    assert 'shared.run.claim Held.of: "manual" in item -> "manual" not in item' in done.stdout


def test_an_unknown_module_is_refused() -> None:
    done = mutants("shared.run.nothing")
    assert (done.returncode, done.stderr) == (2, "error: there is no module shared.run.nothing\n")
