"""Unpacked packages of functions."""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from local.lambda_runtime import python_path
from tests.local.conftest import archive


def test_concurrent_cold_starts_unpack_a_zip_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extracted: list[Any] = []
    together = threading.Barrier(5)
    original = zipfile.ZipFile.extractall

    def counting(self: zipfile.ZipFile, *arguments: Any) -> None:
        extracted.append(arguments)
        original(self, *arguments)

    monkeypatch.setattr(zipfile.ZipFile, "extractall", counting)
    packed, found = archive("x = 1"), []

    def cold_start() -> None:
        together.wait()
        found.append(python_path.unpack(packed, tmp_path / "code"))

    threads = [threading.Thread(target=cold_start) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(extracted) == 1
    assert {(path / "app.py").read_text() for path in found} == {"x = 1"}


def test_an_invalid_zip_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(zipfile.BadZipFile):
        python_path.unpack(b"no zip", tmp_path / "code")
    assert list((tmp_path / "code").iterdir()) == []
