"""Only regular files are read, and no more of them than the limit."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.text import regular_file
from shared.text.regular_file import UnreadableFile, open_regular, read_regular

LIMIT = 10


def fifo(place: Path) -> Path:
    os.mkfifo(place)
    return place


def bound_socket(place: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(place))
    return place


def link_to_device(place: Path) -> Path:
    place.symlink_to("/dev/zero")
    return place


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (fifo, "a FIFO"),
        (bound_socket, "a socket"),
        (link_to_device, "a device"),
        (lambda _: Path("/dev/tty"), "a device"),
        (lambda place: place.parent, "a folder"),
    ],
)
def test_other_files_are_refused_before_they_are_opened(
    make: Callable[[Path], Path], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make(tmp_path / "f")
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened"))
    for read in (open_regular, lambda path: read_regular(path, LIMIT)):
        with pytest.raises(UnreadableFile) as refused:
            read(place)
        assert refused.value.strerror == f"it is {kind}, not a regular file"


def test_a_fifo_that_took_the_name_of_a_file_does_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = fifo(tmp_path / "f")
    checked: list[int] = []

    def swapped(path: Path, mode: int) -> None:
        checked.append(mode)
        if len(checked) > 1:
            raise UnreadableFile(22, "it is a FIFO", str(path))

    monkeypatch.setattr(regular_file, "_require_regular", swapped)

    def read() -> None:
        with pytest.raises(UnreadableFile):
            open_regular(place)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(5)
    assert not reader.is_alive()
    assert len(checked) == 2


def test_a_file_is_read_up_to_the_limit(tmp_path: Path) -> None:
    place = tmp_path / "f"
    place.write_bytes(b"x" * LIMIT)
    assert read_regular(place, LIMIT) == b"x" * LIMIT
    place.write_bytes(b"x" * (LIMIT + 1))
    with pytest.raises(UnreadableFile, match="larger than 10 bytes"):
        read_regular(place, LIMIT)


def test_a_huge_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    place = tmp_path / "f"
    place.touch()
    os.truncate(place, 1 << 42)
    with pytest.raises(UnreadableFile, match=r"larger than 1,048,576 bytes"):
        read_regular(place, 1 << 20)


def test_a_file_that_reports_no_size_is_bounded_too() -> None:
    with pytest.raises(UnreadableFile, match="larger than 10 bytes"):
        read_regular(Path("/proc/self/maps"), LIMIT)


def test_a_missing_file_stays_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "none", LIMIT)
