"""Restrict this process, then replace it by an allowed command.

`python -I -S -B exec_command.py <folder> <megabytes> <seconds> <program> <words...>`
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))  # noqa: PTH100, PTH120 - pathlib is slow to import
PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt")
SYSTEM = ("/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/dev/null", "/dev/urandom", "/dev/zero")
PR_SET_NO_NEW_PRIVS = 38
LARGEST_FILE = 64 << 20


def main() -> None:
    folder, megabytes, seconds, program, *words = sys.argv[1:]
    for what, limit in (
        (resource.RLIMIT_AS, int(megabytes) << 20),
        (resource.RLIMIT_CPU, int(seconds)),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
    if sys.platform.startswith("linux"):
        sys.path.insert(0, ROOT)
        from shared.plugins.child import landlock, seccomp

        ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        landlock.restrict(SYSTEM, PROGRAMS, folder)
        seccomp.restrict(command=True)
    os.execv(program, words)


if __name__ == "__main__":
    main()
