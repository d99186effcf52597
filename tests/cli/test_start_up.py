"""A command that reads declarations starts within a second of CPU and loads neither handlers nor AWS."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from shared.job import registry
from tests.cli.conftest import Call

ROOT = Path(__file__).parents[2]
LIMIT = 1.0
TRIES = 3
LOADED = (
    "import json, sys; from cli.main import main; main(['list', '--json']); print(json.dumps(sorted(sys.modules)), "
    "file=sys.stderr)"
)


@pytest.mark.parametrize("words", [("list", "--json"), ("describe", "pricing"), ("status",), ("top",), ("pauses",)])
def test_a_command_takes_less_than_a_second_of_cpu(words: tuple[str, ...], tmp_path: Path) -> None:
    assert min(cpu(words, tmp_path) for _ in range(TRIES)) < LIMIT


def cpu(words: tuple[str, ...], state: Path) -> float:
    environment = {**os.environ, "NIGHTSHIFT_LOCAL": str(state / "none")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "jobs.py", *words], cwd=ROOT, env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_a_list_loads_no_handler_no_sample_data_and_no_client() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, check=True)
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert "functions.sites.pricing" in loaded
    unwanted = {"boto3", "botocore", "aws_lambda_powertools", "functions.trigger.handler", "functions.sites.seed"}
    assert loaded & unwanted == set()


def test_no_job_is_named_like_a_module_that_discovery_skips(call: Call, jobs: Path) -> None:
    for name in registry.NO_JOBS:
        answer = call("new", "demo", name, "--archetype", "job")
        assert answer.code == 2
        assert f"a job may not be named {name!r}" in answer.err
