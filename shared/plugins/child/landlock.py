"""Landlock: restrict files, TCP ports and signals of this process.

https://docs.kernel.org/userspace-api/landlock.html. It needs no privilege and Linux 5.13; features of later versions
are used where they exist.
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
# Abstract unix sockets and signals of processes outside, and the version since which they can be limited.
OUTSIDE, SCOPED = 0b11, 6


def version() -> int:
    """Version of the kernel's Landlock, 0 without it."""
    number = ctypes.CDLL(None, use_errno=True).syscall(CREATE, None, 0, VERSION)
    return max(int(number), 0)


def restrict(readable: Iterable[str], programs: Iterable[str] = (), own: str = "") -> str:
    """Restrict this thread and those it starts.

    Returns the reason if it failed, else "".

    readable: folders and files that may be read. programs: folders whose files may be read and executed. own: a folder
    in which everything is allowed.
    """
    library, supported = ctypes.CDLL(None, use_errno=True), version()
    if not supported:
        return "landlock: not supported by the kernel"
    handled = max(rights for since, rights in FILES.items() if since <= supported)
    attributes = struct.pack("QQQ", handled, TCP if supported >= 4 else 0, OUTSIDE if supported >= SCOPED else 0)
    attributes = attributes[: 24 if supported >= SCOPED else 16 if supported >= 4 else 8]
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
        # A folder that does not exist on this system.
        return
    try:
        if not os.path.isdir(path):  # noqa: PTH112 - pathlib is slow to import
            rights &= EXECUTE | READ_FILE
        library.syscall(ADD, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, opened), 0)
    finally:
        os.close(opened)
