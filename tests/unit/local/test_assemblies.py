"""Kept templates, by the hash of their inputs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local.assemblies import NEWEST, Assemblies


@pytest.fixture
def assembly(tmp_path: Path) -> Path:
    made = tmp_path / "cdk.out"
    (made / "nested").mkdir(parents=True)
    (made / "manifest.json").write_text("{}")
    (made / "nested" / "asset.zip").write_bytes(b"zip")
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_assembly_is_reused_for_the_same_inputs_only(assembly: Path, tmp_path: Path) -> None:
    kept = Assemblies(tmp_path / "kept")
    assert not kept.copy("inputs", tmp_path / "early")
    kept.keep("inputs", assembly)
    assert kept.copy("inputs", tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(assembly)
    assert not kept.copy("others", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("change", ["edited", "removed", "added"])
def test_a_damaged_assembly_is_not_reused(assembly: Path, tmp_path: Path, change: str) -> None:
    kept = Assemblies(tmp_path / "kept")
    kept.keep("inputs", assembly)
    file = tmp_path / "kept" / "inputs" / "manifest.json"
    if change == "edited":
        file.write_text("[]")
    elif change == "removed":
        file.unlink()
    else:
        file.with_name("more.json").write_text("{}")
    assert not kept.copy("inputs", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_only_the_assemblies_used_last_are_kept(assembly: Path, tmp_path: Path) -> None:
    kept = Assemblies(tmp_path / "kept")
    for number in range(NEWEST + 1):
        kept.keep(f"inputs{number}", assembly)
        os.utime(tmp_path / "kept" / f"inputs{number}.sum", (number, number))
        if number == NEWEST - 1:
            assert kept.copy("inputs0", tmp_path / "used")
    names = {path.name for path in (tmp_path / "kept").iterdir() if path.is_dir()}
    assert "inputs0" in names
    assert len(names) == NEWEST


def test_a_disk_without_links_gets_copies(assembly: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    kept = Assemblies(tmp_path / "kept")
    kept.keep("inputs", assembly)
    assert kept.copy("inputs", tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(assembly)
