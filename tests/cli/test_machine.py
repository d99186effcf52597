"""Machines that cannot run the local cloud, and the progress of a deployment."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from cli.commands import status
from cli.exit_codes import CommandError
from cli.up import machine
from local.deploy import LocalDeployment, progress_of
from tests.cli.conftest import Call


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_writable_home_and_enough_space_are_enough(tmp_path: Path) -> None:
    machine.require(tmp_path / "state")
    assert (tmp_path / "state").is_dir()


def test_without_a_writable_home_caches_are_in_the_folder_of_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "JSII_RUNTIME_PACKAGE_CACHE_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")
    engine: Any = SimpleNamespace(folder=tmp_path / "state")
    environment = LocalDeployment(engine)._environment()
    assert {value for value in environment.values() if "/nonexistent" in value} == set()
    assert environment["XDG_CACHE_HOME"] == str(tmp_path / "home" / ".cache")


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("synth:  12.3 s  packed 3 of 13\n", "packed 3 of 13"),
        (" \u2705  nightshift-local-state\n", "deployed nightshift-local-state"),
        ("nightshift-local-state: deploying... [1/13]\n", ""),
        ("Error: no such thing\n", ""),
    ],
)
def test_lines_of_the_deployment_that_are_progress(line: str, step: str) -> None:
    assert progress_of(line) == step


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(CommandError, match=r"has 0 MB free, and the local cloud needs 500 MB"):
        machine.require(tmp_path)


def test_a_state_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="cannot be used for the state: Not a directory"):
        machine.require(tmp_path / "file" / "state")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_any_command_names_the_file_that_it_could_not_write(
    number: int, call: Call, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> int:
        raise OSError(number, "reason", "/srv/state/file")

    monkeypatch.setattr(status, "call", fail)
    answer = call("status")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == "/srv/state/file: reason\n"
