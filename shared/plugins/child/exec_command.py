"""Restrict this process, then replace it by an allowed command.

`python -I -S -B exec_command.py <host> <tasks> <folder> <megabytes> <seconds> <program> <words...>`; host: its process
id. tasks: processes and threads that its user may have, all together.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))  # noqa: PTH100, PTH120 - pathlib is slow to import
PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt")
SYSTEM = ("/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/dev/null", "/dev/urandom", "/dev/zero")
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
LARGEST_FILE = 64 << 20


def main() -> None:
    host, tasks, folder, megabytes, seconds, program, *words = sys.argv[1:]
    for what, limit in (
        (resource.RLIMIT_AS, int(megabytes) << 20),
        (resource.RLIMIT_CPU, int(seconds)),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, int(tasks)),
    ):
        _, most = resource.getrlimit(what)
        limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(what, (limit, limit))
    if sys.platform.startswith("linux"):
        sys.path.insert(0, ROOT)
        from shared.plugins.child import landlock, seccomp

        library = ctypes.CDLL(None)
        library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The host may have ended before that call.
        if os.getppid() != int(host):
            os._exit(1)
        library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        missing = landlock.restrict(SYSTEM, PROGRAMS, folder)
        seccomp.restrict(command=True, scoped=not missing and landlock.version() >= landlock.SCOPED)
    os.execv(program, words)


if __name__ == "__main__":
    main()
