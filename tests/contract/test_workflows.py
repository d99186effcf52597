"""Workflows of GitHub: each command parses, and each job has few permissions and an end."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.main import command
from tests.contract.test_house_rules import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LINE = re.compile(r"python (jobs\.py [^|>\n]+?)(?: 2>|$| \|\|)", re.MULTILINE)


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in yaml.safe_load(path.read_text())["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_commands_of_a_workflow_parse_and_name_their_stage(path: Path) -> None:
    lines = [line for step in steps(path) for line in LINE.findall(step.get("run", ""))]
    assert lines
    for line in lines:
        _, word, *rest = shlex.split(line)
        args = command(word)[1].parse_args(rest)
        assert getattr(args, "aws", False) == ("--stage" in rest)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_few_permissions_and_each_job_an_end(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert set(workflow["permissions"]) <= {"contents", "id-token"}
    assert workflow["permissions"]["contents"] == "read"
    assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())


def test_no_input_is_part_of_a_script() -> None:
    for path in WORKFLOWS:
        for step in steps(path):
            # An expression is replaced before the shell reads the line; an environment variable is not.
            assert "inputs." not in step.get("run", "")
            assert "head_ref" not in step.get("run", "")


def test_targets_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for path in WORKFLOWS:
        for step in steps(path):
            for target in re.findall(r"^make (\w+)", step.get("run", ""), re.MULTILINE):
                assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_a_commit_whose_version_is_beside_it(path: Path) -> None:
    used = [line.partition("uses:")[2].strip() for line in path.read_text().splitlines() if "uses:" in line]
    assert used
    for action in used:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v[0-9]+\.[0-9]+\.[0-9]+", action), action
