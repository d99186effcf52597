"""Both implementations of the workspace pass the same tests."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.aws.cloud import Cloud
from shared.plugins.denied import FsDenied
from shared.plugins.host import disk_workspace, s3_workspace, workspaces
from shared.plugins.host.disk_workspace import DiskWorkspace
from shared.plugins.host.workspace import Workspace


@pytest.fixture(params=["disk", "bucket"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    if request.param == "disk":
        yield DiskWorkspace(tmp_path / "workspace")
    else:
        yield workspaces.open_at("", request.getfixturevalue("cloud"))


def test_a_written_file_is_read(files: Workspace) -> None:
    files.write("a/b/c.txt", b"one")
    files.write("a/b/c.txt", b"two")
    assert files.read("a/b/c.txt") == b"two"
    assert files.stat("a/b/c.txt").size == 3
    assert files.stat("a/b/c.txt").kind == "file"
    assert abs(files.stat("a/b/c.txt").modified - time.time()) < 60


def test_a_folder_lists_its_direct_entries_by_name(files: Workspace) -> None:
    for path in ("a/z.txt", "a/b/c.txt", "a/b/d.txt", "ab/x.txt"):
        files.write(path, b"1")
    assert [(entry.path, entry.kind) for entry in files.list("a")] == [("a/b", "folder"), ("a/z.txt", "file")]
    assert files.stat("a/b").kind == "folder"


def test_a_folder_is_listed_in_pages(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (disk_workspace, s3_workspace):
        monkeypatch.setattr(module, "PAGE", 3)
    paths = ["a/b", "a/b.txt", "a/c/x", "a/c/y", "a/c-d", "a/c0", "a/d/x", "a/e", "a/\u00e4", "ab"]
    for path in paths:
        files.write(path, b"1")
    pages = [files.list("a")]
    while len(pages[-1]) == 3:
        pages.append(files.list("a", pages[-1][-1].place))
    found = [entry.path for page in pages for entry in page]
    assert found == ["a/b", "a/b.txt", "a/c-d", "a/c", "a/c0", "a/d", "a/e", "a/\u00e4"]
    assert all(len(page) <= 3 for page in pages)


def test_many_files_are_deleted_at_once(files: Workspace) -> None:
    for path in ("a/b", "a/c", "a/d/e"):
        files.write(path, b"1")
    files.delete_many(["a/b", "a/none", "a/d/e"])
    assert [entry.path for entry in files.list("a")] == ["a/c"]
    files.delete_many([])


def test_an_append_extends_a_file_or_creates_it(files: Workspace) -> None:
    files.append("log/x", b"1\n")
    files.append("log/x", b"2\n")
    assert files.read("log/x") == b"1\n2\n"


def test_concurrent_appends_are_all_kept(files: Workspace) -> None:
    def add(number: int) -> None:
        files.append("log", b"%d\n" % number)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(files.read("log").split()) == [b"0", b"1", b"2", b"3"]


def test_a_delete_removes_the_file_and_empty_folders(files: Workspace) -> None:
    files.write("a/b/c", b"1")
    files.write("a/d", b"1")
    files.delete("a/b/c")
    assert [entry.path for entry in files.list("a")] == ["a/d"]
    for ask in (files.read, files.stat, files.delete, files.list):
        with pytest.raises(FileNotFoundError):
            ask("a/b/c" if ask != files.list else "a/b")


def test_a_name_is_a_file_or_a_folder(files: Workspace) -> None:
    files.write("a/b", b"1")
    for ask in (files.read, files.delete):
        with pytest.raises(IsADirectoryError):
            ask("a")
    for change in (files.write, files.append):
        with pytest.raises(IsADirectoryError):
            change("a", b"1")
        with pytest.raises(NotADirectoryError):
            change("a/b/c", b"1")
    with pytest.raises(NotADirectoryError):
        files.list("a/b")
    with pytest.raises(NotADirectoryError):
        files.stat("a/b/c")


def test_a_file_that_is_too_large_is_refused_completely(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("disk_workspace", "s3_workspace"):
        monkeypatch.setattr(f"shared.plugins.host.{module}.LARGEST", 10)
    files.write("x", b"1" * 8)
    for change in (files.write, files.append):
        with pytest.raises(ValueError, match="exceed the limit"):
            change("x", b"1" * 11)
    assert files.read("x") == b"1" * 8


def test_a_listed_name_may_contain_special_characters(files: Workspace) -> None:
    for path in ("a/%2e%2e/b", "a/..%2f", "a/é", "a/-rf", "a/$(id)", "a/ b"):
        files.write(path, path.encode())
        assert files.read(path) == path.encode()


@pytest.fixture
def disk(tmp_path: Path) -> DiskWorkspace:
    made = DiskWorkspace(tmp_path / "workspace")
    (tmp_path / "secret").write_text("s")
    made.write("a/file", b"1")
    return made


def test_no_link_leads_outside_the_disk_workspace(disk: DiskWorkspace, tmp_path: Path) -> None:
    (disk.root / "a" / "link").symlink_to(tmp_path / "secret")
    (disk.root / "out").symlink_to(tmp_path)
    (tmp_path / "other").write_text("s")
    (disk.root / "a" / "inner").symlink_to("file")
    os.link(tmp_path / "secret", disk.root / "a" / "hard")
    os.mkfifo(disk.root / "a" / "pipe")
    for path in ("a/link", "out/secret", "out/other", "a/inner", "a/hard", "a/pipe"):
        for ask in (disk.read, disk.stat, disk.delete):
            with pytest.raises(FsDenied, match="FS access denied"):
                ask(path)
        for change in (disk.write, disk.append):
            with pytest.raises(FsDenied):
                change(path, b"2")
    assert [entry.path for entry in disk.list("a")] == ["a/file"]
    assert (tmp_path / "secret").read_text() == "s"


def test_a_folder_that_becomes_a_link_during_the_walk_is_not_followed(disk: DiskWorkspace, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("outside")
    swapping = True

    def swap() -> None:
        here, there = disk.root / "a", disk.root / "b"
        while swapping:
            here.rename(there)
            here.symlink_to(outside)
            here.unlink()
            there.rename(here)

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    try:
        for _ in range(2000):
            try:
                seen.add(disk.read("a/file"))
                seen.add(bytes(str(disk.stat("a/file").size), "ascii"))
            except OSError:
                continue
    finally:
        swapping = False
        thread.join()
    assert seen <= {b"1"}
    assert {path.name for path in outside.iterdir()} == {"file"}


def test_a_failed_write_leaves_no_partial_file(disk: DiskWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError, match="full"):
        disk.write("a/file", b"2222")
    assert disk.read("a/file") == b"1"
    assert list((disk.root / ".staging").iterdir()) == []


def test_an_append_detects_a_concurrent_change(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    files = workspaces.open_at("", cloud)
    files.append("log", b"1")
    read = files._get  # type: ignore[attr-defined]

    def late(path: str) -> tuple[bytes, str]:
        held: tuple[bytes, str] = read(path)
        monkeypatch.undo()
        files.append("log", b"2")
        return held

    monkeypatch.setattr(files, "_get", late)
    files.append("log", b"3")
    assert files.read("log") == b"123"
