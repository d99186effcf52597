"""Declarations are kept between commands, and made again when anything that decides them has changed."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cli import declared_jobs
from cli.declared_jobs import FILE, DeclarationCache, Declarations
from shared.job import registry
from tests.cli.conftest import HEAD

EXTRA = '''
class Extra(Job):
    """Appear."""
    schedule = hourly(minute=3)
    idempotency = natural("it does nothing")
    def work(self, run):
        return Done()
'''


@pytest.fixture
def folder(jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(DeclarationCache, "enabled", True)
    monkeypatch.setenv("NIGHTSHIFT_LOCAL", str(tmp_path / "state"))
    return tmp_path / "state"


def read() -> Declarations:
    """Read as a new process does."""
    declared_jobs._cached.cache_clear()
    return declared_jobs.read()


def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where jobs are imported."""
    monkeypatch.setattr(registry, "discover", lambda *_: pytest.fail("the jobs were imported"))


def test_a_second_command_imports_no_job(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read()
    assert set(first.entries) == {"good", "bad", "costly", "sharded", "mailbox"}
    unread(monkeypatch)
    assert read() == first
    monkeypatch.setenv("COLUMNS", "61")
    monkeypatch.setenv("SSH_CLIENT", "10.0.0.1 1 2")
    assert read() == first


def test_only_its_user_may_read_the_file(folder: Path) -> None:
    read()
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600


def add(jobs: Path) -> None:
    (jobs / "demo" / "extra.py").write_text(HEAD + EXTRA)
    # In this process the list of modules was cached, within the resolution of the folder's time.
    importlib.invalidate_caches()


def edit(jobs: Path) -> None:
    file = jobs / "demo" / "good.py"
    file.write_text(file.read_text().replace("minutes=15", "minutes=20"))


def touch(jobs: Path) -> None:
    file = jobs / "demo" / "good.py"
    os.utime(file, ns=(1, 1))


@pytest.mark.parametrize("change", [add, edit, touch])
def test_a_changed_source_is_read_again(change: Callable[[Path], None], folder: Path, jobs: Path) -> None:
    read()
    before = json.loads((folder / FILE).read_text())["key"]
    change(jobs)
    found = read()
    assert json.loads((folder / FILE).read_text())["key"] != before
    assert ("extra" in found.entries) == (change is add)


def test_a_changed_setting_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read().entries["good"]["schedules"] == ["*/15 * * * *"]
    monkeypatch.setenv("GOOD_SCHEDULE", "5 4 * * *")
    assert read().entries["good"]["schedules"] == ["5 4 * * *"]
    monkeypatch.setenv("GOOD_STEPP", "1")
    assert read().reports == ["GOOD_STEPP is not a setting; did you mean GOOD_STEP?"]


def test_a_changed_file_of_a_plugin_is_read_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = tmp_path / "plugin" / "plugin.toml"
    monkeypatch.setenv("KB_PLUGIN_MANIFESTS", str(manifest))
    assert read().plugin_files[str(manifest)] is None
    manifest.parent.mkdir()
    manifest.write_text("id = 1")
    assert read().plugin_files[str(manifest)] is not None
    (manifest.parent / "code.py").touch()
    manifest.write_text("id = 22")
    assert str(manifest.parent / "code.py") in read().plugin_files


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"key": 1}', b"\xff", b'{"key": "", "declarations": {}}'])
def test_a_damaged_file_is_made_again(content: bytes, folder: Path) -> None:
    first = read()
    (folder / FILE).write_bytes(content)
    assert read() == first
    assert json.loads((folder / FILE).read_text())["declarations"]["places"] == first.places


def test_a_folder_that_cannot_be_written_costs_only_time(folder: Path) -> None:
    folder.parent.joinpath("state").write_text("a file")
    assert "good" in read().entries
