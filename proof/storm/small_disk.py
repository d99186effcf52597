"""A file system of a few hundred megabytes, to be filled."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = b"\0" * (1 << 20)


class NoSmallDisk(Exception):
    """This machine does not allow to mount one.

    The message is the system's reason.
    """


@contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[None]:
    """Mount a file system in memory on a folder. Raises NoSmallDisk."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError) as error:
        reason = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
        raise NoSmallDisk(reason or "mount failed") from None
    try:
        yield
    finally:
        # Lazily: a process that ends may still have a file open.
        _run("umount", "--lazy", str(folder))


def fill(file: Path) -> int:
    """Write a file until the disk is full. Returns its megabytes."""
    with file.open("wb", buffering=0) as filler:
        for size in (len(CHUNK), 4096):
            try:
                while True:
                    filler.write(CHUNK[:size])
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
        return filler.tell() >> 20


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
