"""Read files that people name: regular files only, up to a limit.

A FIFO blocks its reader, and a device such as /dev/zero has no end.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO

# A terminal must not become the controlling one; a FIFO without a writer must not block.
FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


class UnreadableFile(OSError):
    """The file is not regular, or too large; `strerror` has the reason."""


def open_regular(path: Path) -> IO[bytes]:
    """Open a regular file of any size to read. Raises OSError."""
    _require_regular(path, path.stat().st_mode)
    file = os.fdopen(os.open(path, FLAGS), "rb")
    # Another file may have taken the name since.
    try:
        _require_regular(path, os.fstat(file.fileno()).st_mode)
    except UnreadableFile:
        file.close()
        raise
    return file


def read_regular(path: Path, max_bytes: int) -> bytes:
    """Read a regular file of at most `max_bytes`. Raises OSError."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        # Files of /proc have the size 0, and a file may grow.
        content = file.read(max_bytes + 1) if size <= max_bytes else b""
    if size > max_bytes or len(content) > max_bytes:
        raise UnreadableFile(errno.EFBIG, f"it is larger than {max_bytes:,} bytes", str(path))
    return content


def _require_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = KINDS.get(stat.S_IFMT(mode), "a special file")
        raise UnreadableFile(errno.EINVAL, f"it is {kind}, not a regular file", str(path))
