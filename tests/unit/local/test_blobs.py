"""Large byte strings of a saved state."""

from __future__ import annotations

from pathlib import Path

from local.engine.blobs import SMALLEST, Blobs


def test_a_large_byte_string_is_a_file_and_comes_back_once_for_all_references(tmp_path: Path) -> None:
    large, used = b"x" * SMALLEST, set[str]()
    blobs = Blobs(tmp_path)
    first, second = blobs.replaced(large, used), blobs.replaced(bytes(bytearray(large)), used)
    assert first == second
    assert [file.name for file in tmp_path.iterdir()] == list(used)
    read = Blobs(tmp_path)
    restored = read.restored(first, set())
    assert restored == large
    assert read.restored(second, set()) is restored


def test_small_byte_strings_and_other_values_stay(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    assert blobs.replaced(b"x" * (SMALLEST - 1), set()) is None
    assert blobs.replaced({1, 2}, set()) is None
    assert blobs.restored({"key": "value"}, set()) is None
    assert not list(tmp_path.iterdir())


def test_unused_files_are_removed(tmp_path: Path) -> None:
    blobs, kept = Blobs(tmp_path), set[str]()
    blobs.replaced(b"x" * SMALLEST, set())
    blobs.replaced(b"y" * SMALLEST, kept)
    blobs.prune(kept)
    assert {file.name for file in tmp_path.iterdir()} == kept
    # The first one is written again when it is used again.
    blobs.replaced(b"x" * SMALLEST, set())
    assert len(list(tmp_path.iterdir())) == 2
