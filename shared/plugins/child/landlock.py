"""Landlock: the kernel lets this process read some folders, and touch no other file, no TCP port, no other process.

https://docs.kernel.org/userspace-api/landlock.html. It needs no privilege, and Linux 5.13; what later versions added is
used where it is there.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

CREATE, ADD, RESTRICT = 444, 445, 446
VERSION = 1
PATH_BENEATH = 1
EXECUTE, READ_FILE, READ_DIR = 1 << 0, 1 << 2, 1 << 3
# Rights over files by version: 13 at first, then refer, truncate, and ioctl on devices.
FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
TCP = 0b11
# Abstract unix sockets and signals of processes outside.
OUTSIDE = 0b11


def version() -> int:
    """0 where the kernel has none of it."""
    found = ctypes.CDLL(None, use_errno=True).syscall(CREATE, None, 0, VERSION)
    return max(int(found), 0)


def stand(readable: Iterable[str], programs: Iterable[str] = (), own: str = "") -> str:
    """Raise the wall around this thread and those it starts; "" where it stands, else why it does not.

    programs: folders of what may be executed, too. own: one in which everything is allowed.
    """
    library, known = ctypes.CDLL(None, use_errno=True), version()
    if not known:
        return "landlock: the kernel has none"
    handled = max(rights for since, rights in FILES.items() if since <= known)
    attributes = struct.pack("QQQ", handled, TCP if known >= 4 else 0, OUTSIDE if known >= 6 else 0)
    attributes = attributes[: 24 if known >= 6 else 16 if known >= 4 else 8]
    ruleset = library.syscall(CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return f"landlock: {os.strerror(ctypes.get_errno())}"
    try:
        for path in readable:
            _allow(library, ruleset, path, READ_FILE | READ_DIR)
        for path in programs:
            _allow(library, ruleset, path, EXECUTE | READ_FILE | READ_DIR)
        if own:
            _allow(library, ruleset, own, handled)
        if library.syscall(RESTRICT, ruleset, 0):
            return f"landlock: {os.strerror(ctypes.get_errno())}"
    finally:
        os.close(ruleset)
    return ""


def _allow(library: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        # Not every system has every folder.
        return
    try:
        if not os.path.isdir(path):  # noqa: PTH112 - pathlib is slow to import
            rights &= EXECUTE | READ_FILE
        library.syscall(ADD, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, opened), 0)
    finally:
        os.close(opened)
