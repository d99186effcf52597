"""Packages: built once per content, and removed when they are no longer used."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from infra import package, platform


def test_a_package_is_made_once(tmp_path: Path) -> None:
    filled = []

    def fill(content: Path) -> None:
        filled.append(content)
        (content / "a").write_text("a")

    assert package.cached(tmp_path, "digest", fill).path == package.cached(tmp_path, "digest", fill).path
    assert len(filled) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["digest.zip"]


def test_packages_that_nobody_asked_for_in_two_weeks_are_forgotten(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / f"{name}.zip").touch()
    os.utime(tmp_path / "old.zip", (0, 0))
    package.remove_unused(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["new.zip"]


def test_a_python_of_another_version_is_not_taken_for_a_compiler() -> None:
    assert platform.compiler_of("3.99") is None
    assert platform.compiler_of(f"{sys.version_info.major}.{sys.version_info.minor}") == sys.executable
